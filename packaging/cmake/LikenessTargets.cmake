# likeness_core_library(base DEPS api LIBS spdlog::spdlog): core/base as a static target named likeness_base.
# DEPS are other core folders (the layer order of core/README.md), LIBS private third-party libraries, PUBLIC_LIBS those seen in headers.
function(likeness_core_library name)
  cmake_parse_arguments(ARG "TORCH;UNITY" "" "DEPS;LIBS;PUBLIC_LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp *.h)
  add_library(likeness_${name} STATIC ${sources})
  set_target_properties(likeness_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(likeness_${name} PRIVATE likeness_options)
  target_include_directories(likeness_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(likeness_${name} PUBLIC likeness_${dep})
  endforeach()
  target_link_libraries(likeness_${name} PRIVATE ${ARG_LIBS})
  target_link_libraries(likeness_${name} PUBLIC ${ARG_PUBLIC_LIBS})
  if(ARG_TORCH)
    target_link_libraries(likeness_${name} PUBLIC likeness::torch)
  endif()
  if(ARG_UNITY)
    set_target_properties(likeness_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
endfunction()

# likeness_loads_engine(likeness-cli): a program that loads the engine module through app/engine_loader, which binds the
# module's symbols to the module's own libraries first. Both must then see one copy of std::cerr and its like, so the
# program may hold no copies of library data; the linker refuses them.
function(likeness_loads_engine target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fPIC>)
  target_link_options(${target} PRIVATE LINKER:-z,nocopyreloc)
  # Run from the build tree it needs its engine; a program that links it would start slowly.
  add_dependencies(${target} likeness_engine_module)
endfunction()

# likeness_tests(base LABEL fast DEPS base): every .cpp of the current folder in one GoogleTest program, one ctest entry.
# The program starts in the source folder (tests/support/main.cpp), so that no path of this machine is compiled in
# and the compiler cache serves clones in other folders. Tests that are not `fast` get the machine for themselves.
function(likeness_tests name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "DEPS;LIBS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS *.cpp *.h)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_link_libraries(test_${name} PRIVATE likeness_options likeness_test_main GTest::gtest GTest::gmock ${ARG_LIBS})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(test_${name} PRIVATE likeness_${dep})
  endforeach()
  target_compile_definitions(test_${name} PRIVATE LIKENESS_SOURCE_DIR="." LIKENESS_GOLDEN_DIR="tests/golden")
  add_test(NAME ${name} COMMAND test_${name} --gtest_output=xml:${PROJECT_BINARY_DIR}/test-results/${name}.xml)
  likeness_test_properties(${name} ${ARG_LABEL} ${ARG_TIMEOUT})
endfunction()

# What every ctest entry gets, whatever runs in it. Threads wait as in the programs (app/engine_loader.h).
function(likeness_test_properties name label timeout)
  set(processors 1)
  if(NOT label STREQUAL "fast")
    cmake_host_system_information(RESULT processors QUERY NUMBER_OF_LOGICAL_CORES)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} PROCESSORS ${processors}
    ENVIRONMENT "LIKENESS_RESOURCES=${PROJECT_SOURCE_DIR}/resources;QT_QPA_PLATFORM=offscreen;GOMP_SPINCOUNT=10000;${LIKENESS_TEST_ENVIRONMENT}")
endfunction()

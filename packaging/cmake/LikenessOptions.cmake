# Language, warnings, sanitizers, linker, compiler cache. Everything a developer may switch is an option here.
include(CheckLinkerFlag)

option(LIKENESS_BUILD_WINDOW "Build the Qt window" ON)
option(LIKENESS_BUILD_TESTS "Build the tests" ON)
option(LIKENESS_BUILD_FUZZERS "Build the libFuzzer targets (clang)" OFF)
option(LIKENESS_CUDA "Build the CUDA target when nvcc 13 is found" ON)
option(LIKENESS_WARNINGS_AS_ERRORS "Warnings fail the build" OFF)
set(LIKENESS_SANITIZER "" CACHE STRING "address, undefined or thread; empty for none")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # found once in core, used by app and tests too
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# Paths are hashed relative to the source folder, so that a clone in another folder hits the cache too.
find_program(LIKENESS_CCACHE ccache)
if(LIKENESS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${LIKENESS_CCACHE})
endif()

foreach(linker lld gold)
  check_linker_flag(CXX -fuse-ld=${linker} LIKENESS_HAVE_${linker})
  if(LIKENESS_HAVE_${linker})
    add_link_options($<$<LINK_LANGUAGE:CXX>:-fuse-ld=${linker}>)
    break()
  endif()
endforeach()

add_library(likeness_options INTERFACE)
target_compile_options(likeness_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${LIKENESS_WARNINGS_AS_ERRORS}>>:-Werror>)
target_include_directories(likeness_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
configure_file(${CMAKE_CURRENT_LIST_DIR}/likeness_version.h.in ${PROJECT_BINARY_DIR}/generated/likeness_version.h @ONLY)

# LibTorch and libgomp are not instrumented; what a sanitizer reports inside them is left out by the lists.
if(LIKENESS_SANITIZER)
  # Instrumented code of the standard library makes GCC 12 warn of variables that are not uninitialized.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${LIKENESS_SANITIZER};-fno-omit-frame-pointer;-Wno-maybe-uninitialized>")
  if(LIKENESS_SANITIZER STREQUAL "undefined")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>)
  endif()
  add_link_options(-fsanitize=${LIKENESS_SANITIZER})
  set(LIKENESS_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_odr_violation=0"
    "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan.supp:print_suppressions=0"
    "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/tsan.supp:ignore_noninstrumented_modules=1"
    "UBSAN_OPTIONS=print_stacktrace=1")
endif()
if(LIKENESS_BUILD_FUZZERS)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
find_package(Threads REQUIRED)

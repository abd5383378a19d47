# likeness::cuda, optional: own CUDA code, built when nvcc of LibTorch's CUDA version (13) is found.
# Without it everything builds and runs the same; LibTorch's own CUDA part is loaded at run time either way.
set(LIKENESS_HAVE_CUDA OFF)
if(LIKENESS_CUDA AND NOT LIKENESS_SANITIZER)
  find_program(LIKENESS_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin /usr/local/cuda/bin)
  if(LIKENESS_NVCC)
    execute_process(COMMAND ${LIKENESS_NVCC} --version OUTPUT_VARIABLE _version)
    if(_version MATCHES "release 13\\.")
      set(LIKENESS_HAVE_CUDA ON)
      set(CMAKE_CUDA_COMPILER ${LIKENESS_NVCC})
      set(CMAKE_CUDA_ARCHITECTURES 75-virtual)  # the oldest that CUDA 13 knows; the driver translates for newer ones
      set(CMAKE_CUDA_STANDARD 17)
      set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # the wheel's libcudart, which LibTorch uses too
      enable_language(CUDA)
    endif()
  endif()
endif()
message(STATUS "Own CUDA code: ${LIKENESS_HAVE_CUDA}")

# likeness_cuda_library(FILE.cu...): the shared library likeness_cuda; shared, so that programs keep linking as C++.
function(likeness_cuda_library)
  add_library(likeness_cuda SHARED ${ARGN})
  add_library(likeness::cuda ALIAS likeness_cuda)
  set_target_properties(likeness_cuda PROPERTIES LINKER_LANGUAGE CXX INSTALL_RPATH "$ORIGIN")
  target_include_directories(likeness_cuda PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_definitions(likeness_cuda INTERFACE LIKENESS_HAVE_CUDA)
  target_link_libraries(likeness_cuda PRIVATE ${LIKENESS_CUDA_RUNTIME_DIRS}/libcudart.so.13)
endfunction()

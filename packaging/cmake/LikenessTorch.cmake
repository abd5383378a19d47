# likeness::torch: LibTorch from the pinned wheel (packaging/setup.sh), by own imported targets.
# find_package(Torch) on this wheel demands the CUDA toolkit, and linking libtorch.so would pull libtorch_cuda.so in;
# libtorch_cpu.so and libc10.so alone build and run on a machine without CUDA.
set(LIKENESS_LIBTORCH "${PROJECT_SOURCE_DIR}/.deps/libtorch" CACHE PATH "Folder that holds the wheel's torch/ and nvidia/")
set(_torch ${LIKENESS_LIBTORCH}/torch)
if(NOT EXISTS ${_torch}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not in ${LIKENESS_LIBTORCH}. Run packaging/setup.sh, or pass -DLIKENESS_LIBTORCH=FOLDER.")
endif()
set(LIKENESS_CUDA_RUNTIME_DIRS ${LIKENESS_LIBTORCH}/nvidia/cu13/lib)

add_library(likeness_torch INTERFACE)
add_library(likeness::torch ALIAS likeness_torch)
target_include_directories(likeness_torch SYSTEM INTERFACE ${_torch}/include ${_torch}/include/torch/csrc/api/include)
# Per-operator headers: 5 s a translation unit instead of 16.
target_compile_definitions(likeness_torch INTERFACE AT_PER_OPERATOR_HEADERS)
# at::parallel_for is a template that runs in one thread where its caller is compiled without OpenMP. The runtime is
# LibTorch's own: two of them in a process would fight for the cores.
target_compile_options(likeness_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_libraries(likeness_torch INTERFACE
  ${_torch}/lib/libtorch_cpu.so ${_torch}/lib/libc10.so ${_torch}/lib/libgomp.so.1)
# libtorch_cpu.so finds libcudart and libcupti through its own rpath; the linker wants to see them too.
target_link_options(likeness_torch INTERFACE "LINKER:-rpath-link,${LIKENESS_CUDA_RUNTIME_DIRS}")

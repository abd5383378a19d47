# cmake --install: a tree that runs wherever it is moved to. Programs look for ../lib/likeness and ../share/likeness;
# the engine, its process and LibTorch stand side by side there and find each other through $ORIGIN.
install(TARGETS likeness-cli RUNTIME DESTINATION bin)
if(TARGET likeness)
  install(TARGETS likeness RUNTIME DESTINATION bin)
  install(FILES packaging/linux/io.github.likeness.desktop DESTINATION share/applications)
  install(FILES packaging/linux/io.github.likeness.metainfo.xml DESTINATION share/metainfo)
  install(FILES resources/icons/likeness.svg DESTINATION share/icons/hicolor/scalable/apps RENAME io.github.likeness.svg)
endif()

set_target_properties(likeness_engine_module PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS likeness_engine_module LIBRARY DESTINATION lib/likeness)
install(TARGETS likeness-pickle-reader likeness-engine RUNTIME DESTINATION lib/likeness)
if(LIKENESS_HAVE_CUDA)
  install(TARGETS likeness_cuda LIBRARY DESTINATION lib/likeness)
endif()
# libtorch_cpu.so names the last two even on machines without a GPU.
install(PROGRAMS
  ${LIKENESS_LIBTORCH}/torch/lib/libtorch_cpu.so ${LIKENESS_LIBTORCH}/torch/lib/libc10.so ${LIKENESS_LIBTORCH}/torch/lib/libgomp.so.1
  ${LIKENESS_CUDA_RUNTIME_DIRS}/libcudart.so.13 ${LIKENESS_CUDA_RUNTIME_DIRS}/libcupti.so.13
  DESTINATION lib/likeness)

install(DIRECTORY resources/ DESTINATION share/likeness PATTERN "*.qrc" EXCLUDE)
install(FILES LICENSE README.md DESTINATION share/doc/likeness)

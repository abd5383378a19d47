// What the CUDA runtime says about the GPUs of this machine. Standard types only: no CUDA header is
// needed to use it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace likeness::tensor {

struct CudaDevice {
  std::string name;  ///< "NVIDIA H200"; empty when the device could not be asked
  int major = 0;     ///< compute capability, "9.0"
  int minor = 0;
  int driver = 0;  ///< CUDA version of the driver, 13000 for 13.0
  std::int64_t totalMiB = 0;
  std::int64_t freeMiB = 0;
};

/// In the order of `cuda:0`, `cuda:1`...; empty without a driver or a GPU. Asking for the free
/// memory makes a CUDA context on each device (about 0.2 s and 300 MiB there), so call it for a
/// device list, not per step.
__attribute__((visibility("default"))) std::vector<CudaDevice> queryCudaDevices();

}  // namespace likeness::tensor

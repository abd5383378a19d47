// The device list by way of the CUDA runtime. No kernels; has been compiled and linked, has never
// met a GPU.
#include "core/tensor/cuda/cuda_devices.h"

#include <cuda_runtime.h>

namespace likeness::tensor {

std::vector<CudaDevice> queryCudaDevices() {
  int count = 0;
  int driver = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // the runtime keeps the last error until it is read
    return {};
  }
  cudaDriverGetVersion(&driver);

  std::vector<CudaDevice> devices;
  for (int index = 0; index < count; ++index) {
    CudaDevice device;
    device.driver = driver;
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, index) == cudaSuccess) {
      device.name = properties.name;
      device.major = properties.major;
      device.minor = properties.minor;
      device.totalMiB = static_cast<std::int64_t>(properties.totalGlobalMem >> 20);
    }
    std::size_t free = 0;
    std::size_t total = 0;
    if (cudaSetDevice(index) == cudaSuccess && cudaMemGetInfo(&free, &total) == cudaSuccess)
      device.freeMiB = static_cast<std::int64_t>(free >> 20);
    devices.push_back(device);
  }
  if (count > 0) cudaSetDevice(0);
  return devices;
}

}  // namespace likeness::tensor

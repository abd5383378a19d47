// What this machine can compute with.
#include "core/tensor/device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "core/base/machine.h"
#include "core/tensor/bf16_check.h"
#ifdef LIKENESS_HAVE_CUDA
#include "core/tensor/cuda/cuda_devices.h"
#endif

namespace likeness::tensor {
namespace {

constexpr std::int64_t mebibyte = 1 << 20;

/// LibTorch's CUDA part, loaded once and before anyone asks at::hasCUDA(), whose answer sticks.
bool loadCuda() {
  static const bool loaded = [] {
    if (!::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_GLOBAL)) return false;  // no driver
    Dl_info info{};
    if (!::dladdr(reinterpret_cast<const void*>(&at::cpu::get_cpu_capabilities), &info))
      return false;
    const auto library = std::filesystem::path(info.dli_fname).parent_path() / "libtorch_cuda.so";
    return ::dlopen(library.c_str(), RTLD_LAZY | RTLD_GLOBAL) != nullptr;
  }();
  return loaded && at::hasCUDA();
}

std::int64_t cudaDevices() {
  return loadCuda() ? static_cast<std::int64_t>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

/// Through the driver, whose ABI is fixed; the CUDA headers are not needed for it.
std::string cudaName(int index) {
  using GetName = int (*)(char*, int, int);
  const auto getName = reinterpret_cast<GetName>(::dlsym(RTLD_DEFAULT, "cuDeviceGetName"));
  char text[256] = {};
  if (!getName || getName(text, sizeof text, index) != 0) return "CUDA device";
  return text;
}

/// "compute 9.0, driver for CUDA 13.0", where this was built with the CUDA toolkit.
std::string cudaNote([[maybe_unused]] std::size_t index) {
#ifdef LIKENESS_HAVE_CUDA
  const std::vector<CudaDevice> devices = queryCudaDevices();
  if (index < devices.size()) {
    const CudaDevice& device = devices[index];
    return "compute " + std::to_string(device.major) + "." + std::to_string(device.minor) +
           ", driver for CUDA " + std::to_string(device.driver / 1000) + "." +
           std::to_string(device.driver % 1000 / 10);
  }
#endif
  return {};
}

api::Device cpuDevice() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto name = capabilities.find("cpu_name");
  const std::string cpu = name == capabilities.end() ? "CPU" : name->second.toStringRef();
  const unsigned cores = std::thread::hardware_concurrency();
  const bool fast = base::cpuHasFastBf16();
  const bool passed = fast && bf16SelfCheck();
  return {"cpu",
          cpu + ", " + std::to_string(cores) + (cores == 1 ? " core" : " cores") +
              (fast ? ", bf16" : ""),
          base::totalMemoryMiB(),
          base::availableMemoryMiB(),
          passed,
          !fast    ? "no fast bf16"
          : passed ? "bf16 self-check passed"
                   : "bf16 self-check failed"};
}

}  // namespace

std::vector<api::Device> listDevices() {
  std::vector<api::Device> devices{cpuDevice()};
  for (std::int64_t i = 0; i < cudaDevices(); ++i) {
    const auto [free, total] = at::accelerator::getMemoryInfo(static_cast<c10::DeviceIndex>(i));
    devices.push_back({"cuda:" + std::to_string(i),
                       cudaName(static_cast<int>(i)),
                       static_cast<std::int64_t>(total) / mebibyte,
                       static_cast<std::int64_t>(free) / mebibyte,
                       true,
                       cudaNote(static_cast<std::size_t>(i))});
  }
  return devices;
}

api::Result<at::Device> chooseDevice(const std::string& id) {
  if (id == "cpu") return at::Device(at::kCPU);
  const std::int64_t count = cudaDevices();
  if (id == "auto") return count > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  for (std::int64_t i = 0; i < count; ++i)
    if (id == "cuda:" + std::to_string(i) || (i == 0 && id == "cuda"))
      return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(i));
  return api::fail(api::ErrorCode::DeviceMissing, {{"device", id}});
}

api::Result<at::ScalarType> choosePrecision(const api::ComputeOptions& compute,
                                            const at::Device& device) {
  at::globalContext().setAllowTF32CuBLAS(compute.tf32);
  at::globalContext().setAllowTF32CuDNN(compute.tf32);
  const api::DType wanted = compute.dtype;
  if (wanted == api::DType::Fp32) return at::kFloat;
  if (wanted == api::DType::Bf16) return at::kBFloat16;
  if (wanted == api::DType::Fp16) {
    if (!device.is_cpu()) return at::kHalf;
    return api::fail(api::ErrorCode::BadCombination,
                     {{"key", "dtype"},
                      {"reason", "fp16 is for GPUs; processors compute slowly in it"},
                      {"fix", "Set the precision to auto, or choose a GPU"}});
  }
  if (device.is_cuda()) return at::kBFloat16;
  return base::cpuHasFastBf16() && bf16SelfCheck() ? at::kBFloat16 : at::kFloat;
}

at::ScalarType scalarType(api::FileDType dtype) {
  switch (dtype) {
    case api::FileDType::Fp16:
      return at::kHalf;
    case api::FileDType::Bf16:
      return at::kBFloat16;
    case api::FileDType::Fp32:
      break;
  }
  return at::kFloat;
}

int setThreads(std::int64_t threads) {
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  at::set_num_threads(static_cast<int>(threads > 0 ? threads : cores));
  return at::get_num_threads();
}

}  // namespace likeness::tensor

// Devices and dtypes: what is here, what is fast, what was checked.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/api/engine.h"

namespace likeness::tensor {

/// CPU first, then CUDA devices. Loads libtorch_cuda.so when its libraries are present.
std::vector<api::Device> listDevices();
/// Errors: DeviceMissing. "auto" = first CUDA device, else CPU.
api::Result<at::Device> chooseDevice(const std::string& id);
/// What to compute in on a device; Auto takes bf16 only where the CPU has avx512_bf16 or AMX (or
/// the GPU has it) and the once-per-machine self-check against fp32 passed. Also sets for this
/// process whether GPUs may use TF32. Errors: BadCombination for fp16 on a CPU.
api::Result<at::ScalarType> choosePrecision(const api::ComputeOptions& compute,
                                            const at::Device& device);
at::ScalarType scalarType(api::FileDType dtype);
/// Threads of the compute thread's pool; 0 = all cores. Returns the number in force.
int setThreads(std::int64_t threads);

}  // namespace likeness::tensor

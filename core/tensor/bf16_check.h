// Whether bf16 on this CPU is fast, and whether it is right.
#pragma once

namespace likeness::tensor {

/// AVX512-BF16 or AMX; without them bf16 falls to loops that are slower than fp32.
bool cpuHasFastBf16();
/// Convolutions and products of the shapes the networks use, bf16 against fp32. oneDNN has had
/// silently wrong kernels (pytorch#163347), so it runs once per CPU and LibTorch version; the
/// outcome is remembered.
bool bf16SelfCheck();

}  // namespace likeness::tensor

// Whether bf16 on this CPU is right.
#pragma once

namespace likeness::tensor {

/// Convolutions and products of the shapes the networks use, bf16 against fp32. oneDNN has had
/// silently wrong kernels (pytorch#163347), so it runs once per CPU and LibTorch version; the
/// outcome is remembered.
bool bf16SelfCheck();

}  // namespace likeness::tensor

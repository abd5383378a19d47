// Sums between GPUs, from a module of its own: it needs libtorch_cuda.so, which is loaded where
// there are GPUs alone.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace likeness::train {

constexpr const char *kNcclModule = "liblikeness_nccl.so", *kNcclGroup = "likenessNcclGroup";
/// The module's one symbol. NCCL's group of `size` ranks that meet in `store`; the caller owns it.
/// Nobody is waited for before its first sum.
using MakeNcclGroup = c10d::Backend*(const c10::intrusive_ptr<c10d::Store>& store,
                                     int rank,
                                     int size,
                                     std::chrono::milliseconds timeout);

}  // namespace likeness::train

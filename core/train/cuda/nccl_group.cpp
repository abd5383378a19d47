// Has been compiled and linked; has never met a GPU.
#include "core/train/cuda/nccl_group.h"

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

extern "C" __attribute__((visibility("default"))) c10d::Backend* likenessNcclGroup(
    const c10::intrusive_ptr<c10d::Store>& store,
    int rank,
    int size,
    std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, std::move(options))
      .release();
}
static_assert(std::is_same_v<decltype(likenessNcclGroup), likeness::train::MakeNcclGroup>);

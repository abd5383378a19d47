// Several processes that train one model together, data parallel: each computes its share of every
// batch, gradients are added up, and all make the same update.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "core/api/requests.h"
#include "core/base/placement.h"

namespace likeness::train {

/// This process among the others. The base class is a process alone, for which everything is done
/// at once. Every call but tell() is collective: all ranks make the same calls in the same order.
/// Compute thread only. Error of every call: DeviceMissing, or what a lost rank told.
class Ranks {
 public:
  virtual ~Ranks() = default;

  std::int64_t rank() const { return m_rank; }
  std::int64_t size() const { return m_size; }
  /// The one that writes files and reports.
  bool isFirst() const { return m_rank == 0; }
  /// [begin, end) of `count` things that this rank takes; shares differ by one at most.
  std::pair<std::int64_t, std::int64_t> share(std::int64_t count) const {
    return {count * m_rank / m_size, count * (m_rank + 1) / m_size};
  }

  /// What this rank computes on. GPUs on all ranks add up among themselves then, where this was
  /// built with NCCL.
  virtual api::Result<void> computeOn(const at::Device& device);
  /// Waits for a sum, once.
  using Wait = std::function<api::Result<void>()>;
  /// Begins to add up `numbers` (fp32, dense) of all ranks, in place, with equal bits on every
  /// rank. They must not be touched until the wait for them is over. Several sums may be under way:
  /// ranks begin them in the same order, and wait in that order too.
  virtual Wait beginSum(const at::Tensor& numbers);
  /// Bytes that are worth a sum of their own.
  std::int64_t bucketBytes() const { return m_bucketBytes; }
  virtual api::Result<void> sum(std::span<double> values);
  /// Waits for all; true when one of them says so.
  api::Result<bool> any(bool mine);
  /// The text of rank 0, for all.
  virtual api::Result<std::string> fromFirst(std::string text);
  /// Before a rank leaves for a reason: the others end with this error in place of DeviceMissing.
  virtual void tell(const api::Error& error);

 protected:
  std::int64_t m_rank = 0, m_size = 1;
  std::int64_t m_bucketBytes = 25 << 20;
};

/// Meets the other ranks, waiting for minutes at most; a process alone is ready at once. Over Gloo:
/// tensors of a GPU travel through the host's memory, until Ranks::computeOn(). Errors:
/// DeviceMissing with the address.
api::Result<std::unique_ptr<Ranks>> meet(const base::Placement& placement);

/// What a rank computes on where `wanted` is ComputeOptions::device: with several ranks it names
/// the kind, and each rank of a machine has a GPU of its own. Errors: DeviceMissing, BadUsage.
api::Result<at::Device> rankDevice(const std::string& wanted, const base::Placement& placement);
/// Whether a complete recipe can be divided over the ranks. Errors: BadCombination.
api::Result<void> checkDivisible(const api::TrainRequest& recipe, const Ranks& ranks);

}  // namespace likeness::train

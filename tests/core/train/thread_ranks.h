// Ranks that are threads of this process, so that a test sees what each of them gives.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>

#include <barrier>
#include <functional>
#include <thread>

#include "core/train/ranks.h"

namespace likeness::train::test {

/// Where they meet.
class Meeting {
 public:
  explicit Meeting(std::int64_t size)
      : given(static_cast<std::size_t>(size)), m_barrier(size), m_now(given.size()) {}

  /// Puts the sum over all ranks, taken in their order, in place of what this one gives.
  void sum(std::size_t rank, const at::Tensor& own) {
    given[rank].push_back(own.clone());
    m_now[rank] = own;
    m_barrier.arrive_and_wait();
    at::Tensor total = m_now[0].clone();
    for (std::size_t i = 1; i < m_now.size(); ++i) total.add_(m_now[i]);
    m_barrier.arrive_and_wait();
    own.copy_(total);
    m_barrier.arrive_and_wait();
  }

  std::vector<std::vector<at::Tensor>> given;  ///< by rank: every tensor that it gave

 private:
  std::barrier<> m_barrier;
  std::vector<at::Tensor> m_now;
};

class ThreadRanks : public Ranks {
 public:
  ThreadRanks(Meeting& meeting, std::int64_t rank) : m_meeting(meeting) {
    m_rank = rank;
    m_size = static_cast<std::int64_t>(meeting.given.size());
  }
  api::Result<void> sum(std::span<const at::Tensor> tensors) override {
    for (const at::Tensor& tensor : tensors) m_meeting.sum(place(), tensor);
    return {};
  }
  api::Result<void> sum(std::span<double> values) override {
    m_meeting.sum(place(),
                  at::from_blob(values.data(),
                                {static_cast<std::int64_t>(values.size())},
                                at::TensorOptions(at::kDouble)));
    return {};
  }

 private:
  std::size_t place() const { return static_cast<std::size_t>(m_rank); }
  Meeting& m_meeting;
};

/// Does the same on each of `size` ranks, and waits for all of them.
inline void together(Meeting& meeting, const std::function<void(ThreadRanks&)>& work) {
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < meeting.given.size(); ++rank)
    threads.emplace_back([&, rank] {
      ThreadRanks ranks(meeting, static_cast<std::int64_t>(rank));
      work(ranks);
    });
}

}  // namespace likeness::train::test

// Ranks that are threads of this process, so that a test sees what each of them gives.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "core/train/ranks.h"

namespace likeness::train::test {

/// Where they meet: the first things that ranks give belong together, the second ones, ...
class Meeting {
 public:
  explicit Meeting(std::int64_t size, std::int64_t bytesOfBuckets = 1 << 20)
      : given(static_cast<std::size_t>(size)), bucketBytes(bytesOfBuckets), m_given(given.size()) {}

  /// Gives a copy; its number.
  std::size_t give(std::size_t rank, const at::Tensor& own) {
    const std::scoped_lock lock(m_mutex);
    m_given[rank].push_back(own.clone());
    m_changed.notify_all();
    return m_given[rank].size() - 1;
  }
  /// The sum of what all ranks give under a number, taken in their order.
  at::Tensor sum(std::size_t number) {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] {
      return std::ranges::all_of(m_given, [&](const auto& own) { return own.size() > number; });
    });
    at::Tensor total = m_given[0][number].clone();
    for (std::size_t rank = 1; rank < m_given.size(); ++rank) total.add_(m_given[rank][number]);
    return total;
  }

  std::vector<std::vector<at::Tensor>> given;  ///< by rank: every tensor whose sum it began
  const std::int64_t bucketBytes;

 private:
  std::mutex m_mutex;
  std::condition_variable m_changed;
  std::vector<std::vector<at::Tensor>> m_given;  ///< numbers too
};

class ThreadRanks : public Ranks {
 public:
  ThreadRanks(Meeting& meeting, std::int64_t rank) : m_meeting(meeting) {
    m_rank = rank;
    m_size = static_cast<std::int64_t>(meeting.given.size());
    m_bucketBytes = meeting.bucketBytes;
  }
  Wait beginSum(const at::Tensor& numbers) override {
    m_meeting.given[place()].push_back(numbers.clone());
    return [this, numbers, number = m_meeting.give(place(), numbers)] {
      numbers.copy_(m_meeting.sum(number));
      return api::Result<void>();
    };
  }
  api::Result<void> sum(std::span<double> values) override {
    const at::Tensor numbers = at::from_blob(
        values.data(), {static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kDouble));
    numbers.copy_(m_meeting.sum(m_meeting.give(place(), numbers)));
    return {};
  }

 private:
  std::size_t place() const { return static_cast<std::size_t>(m_rank); }
  Meeting& m_meeting;
};

/// Does the same on each of the ranks, one core each, and waits for all of them.
inline void together(Meeting& meeting, const std::function<void(ThreadRanks&)>& work) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < meeting.given.size(); ++rank)
    threads.emplace_back([&, rank] {
      ThreadRanks ranks(meeting, static_cast<std::int64_t>(rank));
      work(ranks);
    });
  for (std::jthread& thread : threads) thread.join();
  at::set_num_threads(before);
}

}  // namespace likeness::train::test

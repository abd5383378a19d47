// A bounded ring with a cursor per reader: the writer never waits, a slow reader learns that it
// missed something.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

namespace likeness::base {

/// Thread-safe for any number of writers and readers. T is copied.
template <class T>
class RingBuffer {
 public:
  explicit RingBuffer(std::size_t capacity) : m_items(capacity) {}

  void push(const T& item) {
    const std::lock_guard lock(m_mutex);
    m_items[m_count++ % m_items.size()] = item;
  }

  /// Items pushed since `cursor` (0 = from the beginning), the new cursor, and whether some were
  /// overwritten.
  struct Batch {
    std::vector<T> items;
    std::uint64_t next = 0;
    bool dropped = false;
  };
  Batch since(std::uint64_t cursor) const {
    const std::lock_guard lock(m_mutex);
    const std::uint64_t oldest = m_count > m_items.size() ? m_count - m_items.size() : 0;
    Batch batch{{}, m_count, cursor < oldest};
    for (std::uint64_t i = std::max(cursor, oldest); i < m_count; ++i)
      batch.items.push_back(m_items[i % m_items.size()]);
    return batch;
  }

 private:
  mutable std::mutex m_mutex;
  std::vector<T> m_items;
  std::uint64_t m_count = 0;
};

}  // namespace likeness::base

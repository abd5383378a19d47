#include "core/tensor/host_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace likeness::tensor {
namespace {

constexpr std::size_t kPage = 4096, kHugePage = 2 << 20;
/// Smaller ones are malloc's business.
constexpr std::size_t kSmallest = 128 << 10;
/// What a block may be larger than a tensor that gets it: an eighth.
constexpr std::size_t kSlack = 8;

class Blocks final : public c10::Allocator {
 public:
  explicit Blocks(c10::Allocator& small) : m_small(small) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = bytes < kSmallest ? nullptr : take((bytes + kPage - 1) / kPage * kPage);
    // LibTorch's own one also words the error of a large one.
    if (!data) data = m_small.raw_allocate(bytes);
    return {data, data, &giveBack, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &giveBack; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  void release() {
    const std::lock_guard lock(m_mutex);
    makeRoom(m_live);
    m_most = m_live;
  }

 private:
  struct Block {
    void* data;
    std::size_t size;
  };

  static void giveBack(void* data);

  void* take(std::size_t size) {
    const std::lock_guard lock(m_mutex);
    Block block = findKept(size);
    if (!block.data) {
      m_most = std::max(m_most, m_live + size);
      makeRoom(m_most - size);
      block = {map(size), size};
    }
    if (!block.data) {
      makeRoom(m_live);
      block.data = map(size);
    }
    if (!block.data) return nullptr;
    m_live += block.size;
    m_most = std::max(m_most, m_live);
    m_taken.emplace(block.data, block.size);
    return block.data;
  }
  /// False when it is no block.
  bool keep(void* data) {
    if (reinterpret_cast<std::uintptr_t>(data) % kPage != 0) return false;
    const std::lock_guard lock(m_mutex);
    const auto taken = m_taken.extract(data);
    if (!taken) return false;
    m_live -= taken.mapped();
    m_kept.emplace(m_time, Block{data, taken.mapped()});
    m_bySize.emplace(taken.mapped(), m_time++);
    m_keptBytes += taken.mapped();
    return true;
  }

  /// The smallest that is large enough and not much larger; null data = none.
  Block findKept(std::size_t size) {
    const auto fit = m_bySize.lower_bound({size, 0});
    if (fit == m_bySize.end() || fit->first > size + size / kSlack) return {};
    return forget(m_kept.find(fit->second));
  }
  /// Gives back the oldest until tensors and kept blocks together are at most so many bytes.
  void makeRoom(std::size_t bytes) {
    while (!m_kept.empty() && m_live + m_keptBytes > bytes) {
      const Block oldest = forget(m_kept.begin());
      ::munmap(oldest.data, oldest.size);
    }
  }
  Block forget(std::map<std::uint64_t, Block>::iterator kept) {
    const Block block = kept->second;
    m_bySize.erase({block.size, kept->first});
    m_kept.erase(kept);
    m_keptBytes -= block.size;
    return block;
  }
  static void* map(std::size_t size) {
    void* const data =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    // Filling memory in pages of 4 KiB takes longer than reading a model's file, and the networks
    // compute a little faster.
    if (size >= kHugePage) ::madvise(data, size, MADV_HUGEPAGE);
    return data;
  }

  c10::Allocator& m_small;
  std::mutex m_mutex;
  std::unordered_map<void*, std::size_t> m_taken;
  std::map<std::uint64_t, Block> m_kept;                     ///< by when they were given back
  std::set<std::pair<std::size_t, std::uint64_t>> m_bySize;  ///< of m_kept: size, when
  std::uint64_t m_time = 0;
  std::size_t m_live = 0, m_keptBytes = 0;  ///< of m_taken and m_kept
  std::size_t m_most = 0;                   ///< that m_live was since the last release
};

/// Never destroyed: tensors in static memory outlive everything.
Blocks* s_blocks = nullptr;

void Blocks::giveBack(void* data) {
  if (!s_blocks->keep(data)) s_blocks->m_small.raw_deallocate(data);
}

}  // namespace

void keepHostMemory() {
  static std::once_flag once;
  std::call_once(once, [] {
    s_blocks = new Blocks(*c10::GetCPUAllocator());
    c10::SetCPUAllocator(s_blocks, 1);
  });
}

void releaseHostMemory() {
  if (s_blocks) s_blocks->release();
  ::malloc_trim(0);
}

}  // namespace likeness::tensor

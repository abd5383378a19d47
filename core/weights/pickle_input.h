// What the machine reads its opcodes from.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace likeness::weights::pickle {

/// Bytes of a file from `position` to `end`, read through a buffer.
class Input {
 public:
  /// Fills the span from an offset of the file; false on failure.
  using ReadAt = std::function<bool(std::uint64_t offset, std::span<char> out)>;
  Input(ReadAt readAt, std::uint64_t position, std::uint64_t end)
      : m_readAt(std::move(readAt)), m_position(position), m_end(end) {}
  std::uint64_t position() const { return m_position; }
  std::uint64_t left() const { return m_end - m_position; }
  bool read(std::span<char> out);
  bool skip(std::uint64_t bytes);

 private:
  ReadAt m_readAt;
  std::uint64_t m_position, m_end;
  std::string m_buffer;
  std::uint64_t m_bufferStart = 0;
};

}  // namespace likeness::weights::pickle

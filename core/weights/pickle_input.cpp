#include "core/weights/pickle_input.h"

#include <algorithm>

namespace likeness::weights::pickle {

bool Input::read(std::span<char> out) {
  constexpr std::uint64_t bufferBytes = 1 << 16;
  if (out.size() > left()) return false;
  while (!out.empty()) {
    const std::uint64_t at = m_position - m_bufferStart;
    if (at >= m_buffer.size()) {
      m_bufferStart = m_position;
      m_buffer.resize(std::min(bufferBytes, left()));
      if (!m_readAt(m_position, m_buffer)) {
        m_buffer.clear();
        return false;
      }
      continue;
    }
    const std::size_t count = std::min<std::size_t>(out.size(), m_buffer.size() - at);
    std::copy_n(m_buffer.data() + at, count, out.data());
    out = out.subspan(count);
    m_position += count;
  }
  return true;
}

bool Input::skip(std::uint64_t bytes) {
  if (bytes > left()) return false;
  m_position += bytes;
  // The buffer is found stale where it no longer covers the position.
  if (m_position - m_bufferStart > m_buffer.size()) {
    m_buffer.clear();
    m_bufferStart = m_position;
  }
  return true;
}

}  // namespace likeness::weights::pickle

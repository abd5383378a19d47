// SHA-256 by OpenSSL, and the checksum of TensorBoard's files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/api/result.h"

namespace likeness::base {

/// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// 64 lower-case hex digits; the object is spent afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> m_state;
};

/// CRC-32C (Castagnoli; RFC 3720, B.4): "123456789" -> 0xE3069283.
std::uint32_t crc32c(std::string_view bytes);

std::string sha256(std::string_view text);
/// Reads in blocks. Errors: FileNotFound, FileUnreadable.
api::Result<std::string> sha256File(const std::filesystem::path& file);

}  // namespace likeness::base

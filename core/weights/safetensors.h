// Safetensors files without tensors: header index, strict checks before any allocation, and a
// writer. Format rules: huggingface/safetensors README and safetensors/src/tensor.rs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/result.h"

namespace likeness::weights {

/// In the format's own order; the writer sorts by it, descending.
enum class ScalarType {
  Bool,
  F4,
  F6E2M3,
  F6E3M2,
  U8,
  I8,
  F8E5M2,
  F8E4M3,
  F8E8M0,
  F8E4M3FNUZ,
  F8E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64
};
std::string_view name(ScalarType type);  ///< "F16", as in the file
std::size_t bits(ScalarType type);
/// The type of a name as in the file; empty for unknown ones.
std::optional<ScalarType> scalarType(std::string_view name);

struct TensorInfo {
  ScalarType dtype = ScalarType::F32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  ///< bytes relative to the data section
};

/// What a header says, checked against the size of its file.
struct Header {
  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
};
/// Checks every rule of the format: JSON, types, limits (100,000 tensors, 32 dimensions), no
/// duplicate keys, sizes equal to dtype x shape, and data covered from 0 to `dataBytes` without gap
/// or overlap. The reason is one clause for BadModelFile.
tl::expected<Header, std::string> parseHeader(std::string_view json, std::uint64_t dataBytes);

/// An opened file: the header is validated, data is read on demand with pread (never mapped:
/// a file that shrinks underneath must be an error, not a SIGBUS).
class SafetensorsFile {
 public:
  /// `knownAs`: what path() and errors say where it is not `file`. Errors: FileNotFound,
  /// FileUnreadable, BadModelFile (every rule of the format).
  static api::Result<SafetensorsFile> open(const std::filesystem::path& file,
                                           const std::filesystem::path& knownAs = {});
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::map<std::string, TensorInfo>& tensors() const;
  const std::map<std::string, std::string>& metadata() const;
  const std::filesystem::path& path() const;
  /// Fills `out`, whose size must be end - begin. Errors: FileUnreadable (shrunk, I/O).
  api::Result<void> read(const TensorInfo& tensor, std::span<std::byte> out) const;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> m_state;
};

/// A tensor to write: `produce` is called once, in file order, and hands its bytes to the given
/// sink in pieces.
struct TensorSource {
  std::string name;
  ScalarType dtype = ScalarType::F32;
  std::vector<std::int64_t> shape;
  std::function<api::Result<void>(
      const std::function<api::Result<void>(std::span<const std::byte>)>& sink)>
      produce;
};
std::uint64_t byteSize(const TensorSource& tensor);  ///< what `produce` hands out
/// Order: dtype descending, then name; header padded to 8 bytes; byte-identical to the reference
/// writer (whose order of several metadata entries is random; here they are sorted). Written
/// through base::AtomicFile. Returns the SHA-256 (hex) of the whole file and its size. Errors:
/// FileUnwritable, DiskFull, those of `produce`.
struct WrittenFile {
  std::string sha256;
  std::uint64_t bytes = 0;
};
api::Result<WrittenFile> writeSafetensors(const std::filesystem::path& file,
                                          std::vector<TensorSource> tensors,
                                          const std::map<std::string, std::string>& metadata);
/// The same in stages that outlive an interruption: `file` grows under its own name, which the
/// caller gives away only when it is whole. What an earlier call left in it is kept up to its last
/// whole tensor if it begins with the very same header. `next` is asked before every tensor with
/// the tensors' bytes that are there and those there will be; false ends the call. Returns whether
/// the file is whole. Errors: FileUnwritable, DiskFull, those of `produce`.
api::Result<bool> continueSafetensors(
    const std::filesystem::path& file,
    std::vector<TensorSource> tensors,
    const std::map<std::string, std::string>& metadata,
    const std::function<bool(std::uint64_t done, std::uint64_t total)>& next);
/// Sorts `tensors` into file order and returns the first bytes of their file: length and padded
/// JSON.
std::string layOutHeader(std::vector<TensorSource>& tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace likeness::weights

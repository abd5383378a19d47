// Files that torch.save wrote (.ckpt, .pt, .pth, .bin): a zip with a pickle and one entry for each
// storage, or the older row of five pickles followed by the storages. Nothing in them is ever run;
// what the pickle says is read by a machine that knows tensors and plain data only.
// Parsing belongs in a process of its own: call openWeights (pickle_copy.h), not this.
//
// Names of tensors: a "state_dict" of the file stands for the whole; names of dictionaries within
// dictionaries are joined by dots; a "module." before every name is dropped. A textual inversion
// gets the names that it has in .safetensors files: the vectors of "string_to_param" become
// "emb_params", as kohya's scripts and AUTOMATIC1111 have it ("emb_params.NAME" each, if there are
// several), and its "name", "step", "sd_checkpoint" are metadata; diffusers' {"<token>": vector}
// keeps the token as the tensor's name, and "clip_l" and "clip_g" (SDXL) stay.
#pragma once

#include "core/weights/safetensors.h"

namespace likeness::weights {

/// A tensor and where its bytes are.
struct PickledTensor {
  ScalarType dtype = ScalarType::F32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< in elements, without negative ones
  std::uint64_t begin = 0;            ///< offset in the file of its first element
};

class PickleFile {
 public:
  /// Reads the pickle and compares every tensor with the bytes that its storage has in the file.
  /// The tensors of the result need at most twice the size of the file and 64 MiB when written out.
  /// `descriptor` stays the caller's, open as long as the result. Errors, without a {file}:
  /// FileUnreadable, BadModelFile (damaged, of no known form, or without tensors), UnsafeFile
  /// (names a function that no file of weights needs).
  static api::Result<PickleFile> open(int descriptor);
  PickleFile(PickleFile&&) noexcept;
  PickleFile& operator=(PickleFile&&) noexcept;
  ~PickleFile();

  const std::map<std::string, PickledTensor>& tensors() const;
  /// Texts and whole numbers that stand beside the tensors: "name", "step", "global_step".
  const std::map<std::string, std::string>& metadata() const;
  /// Hands the tensor's bytes to `sink` in row-major order, in pieces of at most 32 MiB. Errors:
  /// FileUnreadable, BadModelFile (strides that cannot be followed in bounded memory), the sink's.
  api::Result<void> read(
      const PickledTensor& tensor,
      const std::function<api::Result<void>(std::span<const std::byte>)>& sink) const;

 private:
  struct State;
  explicit PickleFile(std::unique_ptr<State> state);
  std::unique_ptr<State> m_state;
};

/// How every file of torch.save's older form begins: a pickle of a number.
inline constexpr std::string_view legacyPickleStart(
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

}  // namespace likeness::weights

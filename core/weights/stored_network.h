// The tensors of a network as they lie in files: one file, shards, or a part of a checkpoint with
// other names. Headers are compared with what the network needs before anything is read.
#pragma once

#include <memory>
#include <set>

#include "core/weights/key_map.h"

namespace likeness::weights {

enum class NetworkKind { TextEncoder, TextEncoder2, UNet, Vae };
bool isText(NetworkKind kind);
/// In a diffusers folder: "text_encoder_2", and its weight files' name up to shard and ending.
std::string_view folderName(NetworkKind kind);
std::string_view fileStem(NetworkKind kind);

/// A tensor in a file: bytes to read, and what they are.
struct StoredTensor {
  std::shared_ptr<const SafetensorsFile> file;
  TensorInfo info;  ///< shape as in the network; for a joined tensor, its third of the bytes
  bool transposed = false;  ///< the bytes are those of the transposed matrix
  /// Fills `out` (info.end - info.begin bytes) in the network's order. Errors: FileUnreadable.
  api::Result<void> read(std::span<std::byte> out) const;
};

/// One network, matched tensor by tensor.
struct StoredNetwork {
  std::filesystem::path place;  ///< file, or index of shards, for error texts
  std::vector<std::filesystem::path> files;
  std::map<std::string, StoredTensor> tensors;  ///< by diffusers' key
  std::vector<std::string>
      problems;  ///< "missing X", "misshaped X [1] instead of [2]", "unknown X"
  std::int64_t parameters() const;
  std::map<ScalarType, std::int64_t> parametersByType() const;
};

/// Tensors of several files by name, of which networks take theirs.
class TensorPool {
 public:
  /// `canonical` gives a tensor the name it is looked for under; empty = it is of no use and no
  /// loss.
  void add(std::shared_ptr<const SafetensorsFile> file,
           const std::function<std::string(const std::string&)>& canonical = {});
  bool has(const std::string& name) const { return m_entries.contains(name); }
  /// The shape under a name; empty when there is none.
  Shape shape(const std::string& name) const;
  bool anyStartsWith(std::string_view prefix) const;
  const std::set<std::string>& twice() const { return m_twice; }
  const std::map<std::string, std::string>& metadata() const { return m_metadata; }
  /// Tensor under `name` as it lies in the file.
  std::optional<StoredTensor> find(const std::string& name) const;

  /// Every tensor of the map or why not. Shapes may differ by the two ones of a 1x1 convolution.
  StoredNetwork take(const KeyMap& map);
  /// Names that no network took.
  std::vector<std::string> left() const;

 private:
  struct Entry {
    std::shared_ptr<const SafetensorsFile> file;
    std::string name;  ///< in the file
    TensorInfo info;
    bool taken = false;
  };
  std::map<std::string, Entry> m_entries;
  std::set<std::string> m_twice;
  std::map<std::string, std::string> m_metadata;
};

/// The weights of one part of a diffusers folder, or one file with its tensors, compared with
/// `expected`. A folder's weights are STEM.safetensors, STEM.fp16.safetensors, or shards with their
/// index; failing those, the same with .bin, which are pickles (pickle_copy.h). Old names
/// (autoencoder attention, missing text_model. prefix) are understood; an autoencoder's file may
/// have the single-file names too. Errors: FileNotFound, those of openWeights, BadModelFile;
/// differences are the result's problems.
api::Result<StoredNetwork> openNetwork(const std::filesystem::path& fileOrFolder,
                                       NetworkKind kind,
                                       const TensorShapes& expected);
/// The same for an autoencoder, whose configuration tells the single-file names.
api::Result<StoredNetwork> openAutoencoder(const std::filesystem::path& fileOrFolder,
                                           const AutoencoderKLConfig& config);

/// ModelMismatch: eight of the problems in the sentence, all in the detail.
api::Error mismatch(const std::string& file, const std::vector<std::string>& problems);

}  // namespace likeness::weights

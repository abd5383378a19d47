// Where the tensors of a network stand in a single-file checkpoint (the layout of the original
// Stable Diffusion programs). One list serves both directions.
#pragma once

#include <string>
#include <vector>

#include "core/weights/network_tensors.h"
#include "core/weights/safetensors.h"

namespace likeness::weights {

/// One tensor under diffusers' name and under the file's.
struct MappedTensor {
  std::string key;
  Shape shape;
  std::string fileKey;
  Shape fileShape;
  /// Which third of the file's rows it is, for queries, keys and values stored as one; -1 = it is
  /// the whole tensor.
  int third = -1;
  bool transposed = false;  ///< the file holds columns as rows
  bool operator==(const MappedTensor&) const = default;
};
/// Sorted by key.
using KeyMap = std::vector<MappedTensor>;

/// A text encoder in a file has the names of transformers or those of OpenCLIP.
enum class TextNames { Transformers, OpenClip };

KeyMap singleFileMap(const UNet2DConditionConfig& config,
                     const std::string& prefix = "model.diffusion_model.");
/// `prefix` empty: a file that holds an autoencoder alone.
KeyMap singleFileMap(const AutoencoderKLConfig& config,
                     const std::string& prefix = "first_stage_model.");
/// "cond_stage_model.transformer.", "conditioner.embedders.1.model." ...
KeyMap singleFileMap(const ClipTextConfig& config, TextNames names, const std::string& prefix);
/// Diffusers' own names.
KeyMap identityMap(const TensorShapes& tensors);

/// Tensors under the file's names from tensors under diffusers' (every key of the map, any order):
/// those that the file keeps as one are joined. Bytes are produced when the writer asks.
std::vector<TensorSource> toFileLayout(const KeyMap& map, std::vector<TensorSource> tensors);

/// Columns become rows: `bytes` of a [rows, columns] matrix.
std::vector<std::byte> transposed(std::span<const std::byte> bytes,
                                  std::int64_t rows,
                                  std::int64_t columns,
                                  std::size_t elementBytes);

}  // namespace likeness::weights

// What an adapter file is, from the names and shapes in its header: whose naming it has, which kind
// each module is, and which layer of a model each belongs to.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/weights/stored_model.h"

namespace likeness::weights {

/// Whose names a file has.
enum class AdapterDialect {
  Kohya,               ///< lora_unet_down_blocks_0_...lora_down.weight
  KohyaOriginal,       ///< lora_unet_input_blocks_4_1_...: the original program's blocks (SDXL)
  Peft,                ///< unet.down_blocks.0....lora_A.weight, base_model.model....
  Diffusers,           ///< ...to_q.lora.down.weight, ...q_proj.lora_linear_layer.down.weight
  DiffusersAttention,  ///< ...attn1.processor.to_q_lora.down.weight
  Dotted,              ///< whole paths with kohya's suffixes: unet....lora_down.weight, clip_l....
};

/// How a module's change of the weight is made of its tensors.
enum class AdapterKind { Lora, Loha, Lokr };

/// The parts of a module, by their usual names without dialect.
enum class AdapterPart {
  Down,  ///< LoRA [rank, in, ...]
  Up,    ///< LoRA [out, rank, ...]
  Mid,   ///< LoRA's Tucker core [rank, rank, k, k]
  HadaW1A,
  HadaW1B,
  HadaW2A,
  HadaW2B,
  HadaT1,
  HadaT2,
  LokrW1,
  LokrW1A,
  LokrW1B,
  LokrW2,
  LokrW2A,
  LokrW2B,
  LokrT2,
  Alpha,      ///< a number
  Scalar,     ///< a number that the whole change is multiplied by
  Magnitude,  ///< DoRA: norms of the changed weight's rows, or of its columns (dora_scale alone)
};

/// One module of a file.
struct AdapterModule {
  std::string name;  ///< as the file has it, without the part's suffix
  AdapterKind kind = AdapterKind::Lora;
  std::map<AdapterPart, std::string> tensors;  ///< names in the file
  std::int64_t rank = 0;                       ///< 0: a LoKr of whole factors
  bool has(AdapterPart part) const { return tensors.contains(part); }
};

/// Tensors of a file by name.
using TensorInfos = std::map<std::string, TensorInfo>;

struct AdapterFile {
  AdapterDialect dialect = AdapterDialect::Kohya;
  std::vector<AdapterModule> modules;  ///< sorted by name; those that have all their parts
  std::vector<std::string> problems;   ///< "X is missing", "X is not part of an adapter", ...
  std::set<AdapterKind> kinds;         ///< of all modules, those that lack a part too
  bool dora() const;
  std::string kind() const;  ///< for people: "LoRA (kohya)", "LoHa (LyCORIS)", "DoRA (PEFT)"
  std::vector<std::int64_t> ranks() const;  ///< those that occur, ascending
};
/// The adapter's file in a folder that PEFT or diffusers wrote; any other path itself.
std::filesystem::path adapterIn(const std::filesystem::path& path);
/// Empty when no tensor has an adapter's name.
std::optional<AdapterFile> readAdapterFile(const TensorInfos& tensors);

/// Whether a DoRA's magnitudes are those of the weight's columns; else of its rows.
bool ofColumns(const AdapterModule& module, const TensorInfos& tensors);
/// Whether a module changes a weight of this shape, [out, in] or [out, in, k, k]: by the shapes of
/// its parts, of which those of products may be stored as 1x1 convolutions and the other way round.
bool fits(const AdapterModule& module, const TensorInfos& tensors, const Shape& weight);

/// The family that a file was made for: by the width of the text its attention listens to, by a
/// second text encoder, or by its metadata. Empty when nothing tells.
std::optional<Family> familyOf(const AdapterFile& file,
                               const TensorInfos& tensors,
                               const std::map<std::string, std::string>& metadata);

/// A layer of a model that a file's module means.
struct AdapterTarget {
  NetworkKind network = NetworkKind::UNet;
  std::string key;  ///< diffusers' module key: "down_blocks.0....to_q"
  auto operator<=>(const AdapterTarget&) const = default;
};

/// Every name under which files know the layers of one model. Kohya's underscores cannot be turned
/// back into dots by rule ("to_out_0"), so names are made from the keys and looked up.
class AdapterNames {
 public:
  explicit AdapterNames(const ModelConfigs& configs);
  /// Layers of the published models of a family: Stable Diffusion 1 and 2 have the same.
  explicit AdapterNames(Family family);
  /// Null when the model has no such layer.
  const AdapterTarget* find(const std::string& module) const;
  /// The name to write, without suffix: the original program's blocks for SDXL, diffusers' else.
  std::string kohya(const AdapterTarget& target) const;
  /// "unet.down_blocks.0....to_q"
  static std::string peft(const AdapterTarget& target);

 private:
  void addUnet(const KeyMap& unet);
  void addText(const TensorShapes& tensors,
               NetworkKind network,
               const std::vector<std::string>& dotted,
               const std::vector<std::string>& kohya);
  void add(const std::string& name, const AdapterTarget& target);
  std::map<std::string, AdapterTarget> m_targets;
  std::map<std::string, std::string> m_original;  ///< of the UNet, by key
  bool m_xl = false;
};

}  // namespace likeness::weights

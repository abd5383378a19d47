// LoRA files: kohya's form and PEFT's, attached live.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/nn/adapters.h"
#include "core/weights/pickle_copy.h"

namespace likeness::nn {
namespace {

/// "mid_block.attentions.0" as kohya writes it.
std::string underscored(std::string key) {
  std::ranges::replace(key, '.', '_');
  return key;
}

/// What one tensor of a file is.
enum class Piece { Down, Up, Alpha };
struct PieceName {
  std::string_view suffix;
  Piece piece;
};
constexpr PieceName pieceNames[] = {
    {".lora_down.weight", Piece::Down},
    {".lora_up.weight", Piece::Up},
    {".lora_A.weight", Piece::Down},
    {".lora_B.weight", Piece::Up},
    {".lora_A.default.weight", Piece::Down},
    {".lora_B.default.weight", Piece::Up},
    {".lora.down.weight", Piece::Down},
    {".lora.up.weight", Piece::Up},
    {".lora_linear_layer.down.weight", Piece::Down},
    {".lora_linear_layer.up.weight", Piece::Up},
    {".alpha", Piece::Alpha},
};

/// Module names of files -> slots of the model.
class SlotNames {
 public:
  explicit SlotNames(const StableDiffusion& model) {
    for (const auto& [key, slot] : model.unet.store->slots()) {
      const Target target{slot, model.unet.store->parameters().at(key + ".weight")};
      for (const char* prefix : {"", "unet.", "base_model.model.", "base_model.model.unet."})
        m_targets.emplace(prefix + key, target);
      m_targets.emplace("lora_unet_" + underscored(key), target);
    }
    for (const auto& [key, slot] : model.textEncoder.store->slots()) {
      const Target target{slot, model.textEncoder.store->parameters().at(key + ".weight")};
      const std::string bare = key.substr(std::string_view("text_model.").size());
      for (const std::string& name : {"text_encoder." + key, "text_encoder." + bare})
        m_targets.emplace(name, target);
      m_targets.emplace("lora_te_" + underscored(key), target);
    }
  }

  struct Target {
    std::shared_ptr<AdapterSlot> slot;
    at::Tensor weight;
  };
  const Target* find(const std::string& module) const {
    const auto found = m_targets.find(module);
    return found == m_targets.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Target> m_targets;
};

struct Pieces {
  at::Tensor down, up;
  std::optional<double> alpha;
};

api::Error badAdapter(const std::filesystem::path& file, const std::string& reason) {
  return {api::ErrorCode::BadAdapter, {{"file", file.string()}, {"reason", reason}}, {}};
}

/// alpha as the metadata has it, for modules whose tensors carry none.
struct FileAlpha {
  std::optional<double> unet, textEncoder;
  std::optional<double> of(const std::string& module) const {
    return module.starts_with("text_encoder.") ? textEncoder : unet;
  }
};

/// Errors name options that change the arithmetic.
tl::expected<FileAlpha, std::string> metadataAlpha(
    const std::map<std::string, std::string>& metadata) {
  const auto number = [](const std::string& text) -> std::optional<double> {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_number()) return json.get<double>();
    return {};
  };
  if (const auto found = metadata.find("alpha"); found != metadata.end())
    return FileAlpha{number(found->second), number(found->second)};
  const auto found = metadata.find("lora_adapter_metadata");
  if (found == metadata.end()) return FileAlpha{};
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_object())
    return tl::unexpected<std::string>("its lora_adapter_metadata is not JSON");
  FileAlpha alpha;
  for (const auto& [key, value] : json.items()) {
    const std::string name = key.substr(key.rfind('.') + 1);
    const bool set = value.is_boolean() ? value.get<bool>() : value.is_object() && !value.empty();
    if (set && (name == "use_rslora" || name == "use_dora" || name == "alpha_pattern"))
      return tl::unexpected<std::string>("it uses \"" + name + "\", which is not supported");
    if (name == "lora_alpha" && value.is_number())
      (key.starts_with("text_encoder.") ? alpha.textEncoder : alpha.unet) = value.get<double>();
  }
  return alpha;
}

/// Sorts the file's tensors by module; the reason when one is not part of a LoRA.
tl::expected<std::map<std::string, Pieces>, std::string> sortPieces(
    const tensor::StateDict& tensors) {
  std::map<std::string, Pieces> modules;
  for (const auto& [key, tensor] : tensors) {
    const auto* name = std::ranges::find_if(
        pieceNames, [&](const PieceName& n) { return std::string_view(key).ends_with(n.suffix); });
    if (name == std::end(pieceNames))
      return tl::unexpected<std::string>("\"" + key + "\" is not part of a plain LoRA");
    Pieces& pieces = modules[key.substr(0, key.size() - name->suffix.size())];
    if (name->piece == Piece::Alpha && tensor.numel() != 1)
      return tl::unexpected<std::string>("\"" + key + "\" is not a number");
    if (name->piece == Piece::Down) pieces.down = tensor;
    if (name->piece == Piece::Up) pieces.up = tensor;
    if (name->piece == Piece::Alpha) pieces.alpha = tensor.to(at::kDouble).item<double>();
  }
  if (modules.empty()) return tl::unexpected<std::string>("it holds no LoRA");
  return modules;
}

/// True when W + up @ down has W's shape; 1x1 convolutions may be stored as matrices and the other
/// way round.
bool fitsWeight(Pieces& pieces, const at::Tensor& weight) {
  if (!pieces.down.defined() || !pieces.up.defined()) return false;
  std::vector<std::int64_t> down = weight.sizes().vec(), up(down.size(), 1);
  down[0] = pieces.down.size(0);
  up[0] = weight.size(0);
  up[1] = down[0];
  const auto count = [](const std::vector<std::int64_t>& shape) {
    std::int64_t product = 1;
    for (const std::int64_t size : shape) product *= size;
    return product;
  };
  const bool floating = pieces.down.is_floating_point() && pieces.up.is_floating_point();
  if (!floating || down[0] == 0 || pieces.down.numel() != count(down) ||
      pieces.up.numel() != count(up) || pieces.up.size(0) != up[0])
    return false;
  pieces.down = pieces.down.view(down);
  pieces.up = pieces.up.view(up);
  return true;
}

}  // namespace

api::Result<void> attachAdapterFile(StableDiffusion& model,
                                    const std::filesystem::path& file,
                                    double strength) {
  auto opened = weights::openWeights(file);
  if (!opened) return api::fail(opened.error());
  const auto fileAlpha = metadataAlpha(opened->metadata());
  if (!fileAlpha) return api::fail(badAdapter(file, fileAlpha.error()));
  const auto tensors = tensor::loadSafetensors(file);
  if (!tensors) return api::fail(tensors.error());
  auto modules = sortPieces(*tensors);
  if (!modules) return api::fail(badAdapter(file, modules.error()));

  const SlotNames names(model);
  std::vector<std::pair<std::shared_ptr<AdapterSlot>, LowRank>> fitting;
  for (auto& [module, pieces] : *modules) {
    const auto* target = names.find(module);
    if (!target) return api::fail(badAdapter(file, "this model has no layer \"" + module + "\""));
    const bool whole = pieces.down.defined() && pieces.down.dim() > 0 && pieces.up.defined() &&
                       pieces.up.dim() > 0;
    if (!whole || !fitsWeight(pieces, target->weight))
      return api::fail(badAdapter(file, "\"" + module + "\" does not fit the layer's shape"));
    const double rank = static_cast<double>(pieces.down.size(0));
    const double scale = pieces.alpha.value_or(fileAlpha->of(module).value_or(rank)) / rank;
    if (!std::isfinite(scale))
      return api::fail(badAdapter(file, "\"" + module + "\" has no finite alpha"));
    const auto options = target->weight.options();
    fitting.push_back({target->slot,
                       {pieces.down.to(options.device(), options.dtype().toScalarType()),
                        pieces.up.to(options.device(), options.dtype().toScalarType()),
                        scale,
                        strength}});
  }
  for (auto& [slot, adapter] : fitting) slot->adapters.push_back(std::move(adapter));
  return {};
}

}  // namespace likeness::nn

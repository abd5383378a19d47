// Names of adapter files.
#include "core/weights/adapter_file.h"

#include <algorithm>
#include <set>

namespace likeness::weights {
namespace {

using Part = AdapterPart;

struct Suffix {
  std::string_view text;
  Part part;
};
/// A longer one stands before one that it ends in; a down matrix is followed by its up matrix.
constexpr Suffix suffixes[] = {
    {".lora_linear_layer.down.weight", Part::Down},
    {".lora_linear_layer.up.weight", Part::Up},
    {".lora_A.default.weight", Part::Down},
    {".lora_B.default.weight", Part::Up},
    {".lora_down.weight", Part::Down},
    {".lora_up.weight", Part::Up},
    {".lora.down.weight", Part::Down},
    {".lora.up.weight", Part::Up},
    {".lora_A.weight", Part::Down},
    {".lora_B.weight", Part::Up},
    {"_lora.down.weight", Part::Down},
    {"_lora.up.weight", Part::Up},
    {".lora_mid.weight", Part::Mid},
    {".hada_w1_a", Part::HadaW1A},
    {".hada_w1_b", Part::HadaW1B},
    {".hada_w2_a", Part::HadaW2A},
    {".hada_w2_b", Part::HadaW2B},
    {".hada_t1", Part::HadaT1},
    {".hada_t2", Part::HadaT2},
    {".lokr_w1", Part::LokrW1},
    {".lokr_w1_a", Part::LokrW1A},
    {".lokr_w1_b", Part::LokrW1B},
    {".lokr_w2", Part::LokrW2},
    {".lokr_w2_a", Part::LokrW2A},
    {".lokr_w2_b", Part::LokrW2B},
    {".lokr_t2", Part::LokrT2},
    {".alpha", Part::Alpha},
    {".scalar", Part::Scalar},
    {".dora_scale", Part::Magnitude},
    {".lora_magnitude_vector.default.weight", Part::Magnitude},
    {".lora_magnitude_vector.weight", Part::Magnitude},
    {".lora_magnitude_vector", Part::Magnitude},
};

const Suffix* suffixOf(std::string_view tensor) {
  const auto* found =
      std::ranges::find_if(suffixes, [&](const Suffix& s) { return tensor.ends_with(s.text); });
  return found == std::end(suffixes) ? nullptr : found;
}

std::optional<AdapterKind> kindOf(Part part) {
  if (part <= Part::Mid) return AdapterKind::Lora;
  if (part <= Part::HadaT2) return AdapterKind::Loha;
  if (part <= Part::LokrT2) return AdapterKind::Lokr;
  return {};
}

/// What a module lacks, by name; empty when it is whole.
std::vector<std::string> missingParts(const AdapterModule& module) {
  std::vector<std::string> missing;
  const auto need = [&](Part part, std::string_view suffix) {
    if (!module.has(part)) missing.push_back(module.name + std::string(suffix));
  };
  switch (module.kind) {
    case AdapterKind::Lora:
      for (const auto& [has, lacks, step] :
           {std::tuple(Part::Down, Part::Up, 1), std::tuple(Part::Up, Part::Down, -1)})
        if (module.has(has) && !module.has(lacks)) {
          const std::string& other = module.tensors.at(has);
          const Suffix* suffix = suffixOf(other);
          missing.push_back(other.substr(0, other.size() - suffix->text.size()) +
                            std::string(suffix[step].text));
        }
      if (!module.has(Part::Down) && !module.has(Part::Up)) need(Part::Down, ".lora_down.weight");
      break;
    case AdapterKind::Loha:
      need(Part::HadaW1A, ".hada_w1_a");
      need(Part::HadaW1B, ".hada_w1_b");
      need(Part::HadaW2A, ".hada_w2_a");
      need(Part::HadaW2B, ".hada_w2_b");
      if (module.has(Part::HadaT2)) need(Part::HadaT1, ".hada_t1");
      if (module.has(Part::HadaT1)) need(Part::HadaT2, ".hada_t2");
      break;
    case AdapterKind::Lokr:
      if (!module.has(Part::LokrW1A) && !module.has(Part::LokrW1B)) {
        need(Part::LokrW1, ".lokr_w1");
      } else {
        need(Part::LokrW1A, ".lokr_w1_a");
        need(Part::LokrW1B, ".lokr_w1_b");
      }
      if (!module.has(Part::LokrW2A) && !module.has(Part::LokrW2B) && !module.has(Part::LokrT2)) {
        need(Part::LokrW2, ".lokr_w2");
      } else {
        need(Part::LokrW2A, ".lokr_w2_a");
        need(Part::LokrW2B, ".lokr_w2_b");
      }
      break;
  }
  return missing;
}

/// The shape of a part; empty when it is not there.
Shape shapeOf(const AdapterModule& module, const TensorInfos& tensors, Part part) {
  const auto found = module.tensors.find(part);
  return found == module.tensors.end() ? Shape() : tensors.at(found->second).shape;
}

std::int64_t rankOf(const AdapterModule& module, const TensorInfos& tensors) {
  for (const Part part : {Part::Down, Part::HadaW1B, Part::LokrW2B, Part::LokrW1B})
    if (const Shape shape = shapeOf(module, tensors, part); !shape.empty()) return shape[0];
  return 0;
}

AdapterDialect dialectOf(const std::string& tensor) {
  const auto holds = [&](const char* part) { return tensor.find(part) != std::string::npos; };
  if (holds("_lora.")) return AdapterDialect::DiffusersAttention;
  if (holds(".lora.") || holds(".lora_linear_layer.")) return AdapterDialect::Diffusers;
  const std::string module = tensor.substr(0, tensor.find('.'));
  if (module.starts_with("lora_unet_") || module.starts_with("lora_te") ||
      module.starts_with("lycoris_")) {
    for (const char* block : {"_input_blocks_", "_middle_block_", "_output_blocks_"})
      if (module.find(block) != std::string::npos) return AdapterDialect::KohyaOriginal;
    return AdapterDialect::Kohya;
  }
  return holds(".lora_down.") ? AdapterDialect::Dotted : AdapterDialect::Peft;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  if (const std::size_t at = text.find(from); at != std::string::npos)
    text.replace(at, from.size(), to);
  return text;
}

std::string underscored(std::string key) {
  std::ranges::replace(key, '.', '_');
  return key;
}

constexpr std::int64_t kLargest = 1 << 24;  // of a size: products of three stay far from overflow

/// Elements of a shape; 0 as soon as one size is, so that nothing else about it can overflow.
std::int64_t elements(const Shape& shape) {
  return std::ranges::find(shape, 0) == shape.end() ? elementCount(shape) : 0;
}

bool isFloating(ScalarType type) {
  using enum ScalarType;
  return type == F16 || type == BF16 || type == F32 || type == F64 || type == F8E4M3 ||
         type == F8E5M2;
}

constexpr std::string_view weightSuffix = ".weight";

/// The module of a weight's key; empty for other tensors.
std::string moduleOf(const std::string& tensor) {
  return tensor.ends_with(weightSuffix) ? tensor.substr(0, tensor.size() - weightSuffix.size())
                                        : std::string();
}

/// As many layers as the published models have; sizes do not matter to names.
ModelConfigs published(Family family) {
  ModelConfigs configs;
  configs.text.numHiddenLayers = 24;
  if (family != Family::StableDiffusionXl) return configs;
  configs.unet.blockOutChannels = {320, 640, 1280};
  configs.unet.transformerLayersPerBlock = {1, 2, 10};
  configs.unet.downBlockTypes = {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"};
  configs.unet.upBlockTypes = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"};
  configs.unet.addedInputDim = 2816;
  configs.text2 = ClipTextConfig{};
  configs.text2->numHiddenLayers = 32;
  configs.text2->projectionDim = 1280;
  return configs;
}

}  // namespace

bool AdapterFile::dora() const {
  return std::ranges::any_of(modules, [](const auto& m) { return m.has(Part::Magnitude); });
}

std::string AdapterFile::kind() const {
  const bool mixed = kinds.size() > 1;
  const AdapterKind kind = kinds.empty() ? AdapterKind::Lora : *kinds.begin();
  const std::string name = mixed                       ? "LoRA of several kinds"
                           : kind == AdapterKind::Loha ? "LoHa"
                           : kind == AdapterKind::Lokr ? "LoKr"
                                                       : "LoRA";
  const std::string program =
      kind != AdapterKind::Lora || mixed ? " (LyCORIS)"
      : dialect == AdapterDialect::Peft  ? " (PEFT)"
      : dialect == AdapterDialect::Diffusers || dialect == AdapterDialect::DiffusersAttention
          ? " (diffusers, older form)"
      : dialect == AdapterDialect::Dotted ? " (OneTrainer)"
                                          : " (kohya)";
  if (!dora()) return name + program;
  return (name == "LoRA" ? "DoRA" : name + " with DoRA") + program;
}

std::vector<std::int64_t> AdapterFile::ranks() const {
  std::set<std::int64_t> ranks;
  for (const AdapterModule& module : modules)
    if (module.rank > 0) ranks.insert(module.rank);
  return {ranks.begin(), ranks.end()};
}

std::filesystem::path adapterIn(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return path;
  for (const char* name : {"adapter_model.safetensors", "pytorch_lora_weights.safetensors"})
    if (std::filesystem::exists(path / name, error)) return path / name;
  return path;
}

std::optional<AdapterFile> readAdapterFile(const TensorInfos& tensors) {
  std::map<std::string, AdapterModule> modules;
  std::optional<AdapterDialect> dialect;
  AdapterFile file;
  for (const auto& [key, tensor] : tensors) {
    const Suffix* suffix = suffixOf(key);
    if (!suffix) {
      file.problems.push_back("\"" + key + "\" is not part of an adapter");
      continue;
    }
    // "...attn1.processor.to_q_lora" is the layer "...attn1.to_q".
    const std::string name =
        replaced(key.substr(0, key.size() - suffix->text.size()), ".processor.", ".");
    AdapterModule& module = modules[name];
    module.name = name;
    if (!module.tensors.emplace(suffix->part, key).second)
      file.problems.push_back("\"" + key + "\" is there under two names");
    if (kindOf(suffix->part) &&
        (!dialect || *dialect == AdapterDialect::Kohya || *dialect == AdapterDialect::Peft))
      dialect = dialectOf(key);  // the more telling name of several
  }
  if (!dialect) return {};
  file.dialect = *dialect;
  for (auto& [name, module] : modules) {
    std::set<AdapterKind> own;
    for (const auto& [part, key] : module.tensors)
      if (const auto kind = kindOf(part)) own.insert(*kind);
    if (own.size() > 1) {
      file.problems.push_back("\"" + name + "\" mixes kinds of adapters");
      continue;
    }
    module.kind = own.empty() ? AdapterKind::Lora : *own.begin();
    file.kinds.insert(module.kind);
    const auto missing = missingParts(module);
    for (const std::string& part : missing) file.problems.push_back("\"" + part + "\" is missing");
    if (!missing.empty()) continue;
    module.rank = rankOf(module, tensors);
    file.modules.push_back(std::move(module));
  }
  return file;
}

bool ofColumns(const AdapterModule& module, const TensorInfos& tensors) {
  const std::string& key = module.tensors.at(Part::Magnitude);
  const Shape& shape = tensors.at(key).shape;
  return key.ends_with(".dora_scale") && shape.size() > 1 && shape[0] == 1;
}

bool fits(const AdapterModule& module, const TensorInfos& tensors, const Shape& weight) {
  if (weight.size() != 2 && weight.size() != 4) return false;
  const std::int64_t out = weight[0], in = weight[1],
                     window = weight.size() == 4 ? weight[2] * weight[3] : 1;
  const auto shape = [&](Part part) { return shapeOf(module, tensors, part); };
  // [rows, columns], whatever ones and windows follow; the count of all elements decides.
  const auto measures = [&](Part part, std::int64_t rows, std::int64_t columns, std::int64_t rest) {
    const Shape s = shape(part);
    if (s.empty() || s.size() > 4 || s[0] != rows || rows < 1 || rows > kLargest || columns < 1 ||
        columns > kLargest)
      return false;
    if (s.size() > 2 && s[1] != columns) return false;
    return elements(s) == rows * columns * rest;
  };
  for (const auto& [part, key] : module.tensors) {
    const TensorInfo& tensor = tensors.at(key);
    const bool number = part == Part::Alpha || part == Part::Scalar;
    if (number ? elements(tensor.shape) != 1 : !isFloating(tensor.dtype)) return false;
  }
  if (module.has(Part::Magnitude)) {
    const Shape s = shape(Part::Magnitude);
    const std::int64_t count = ofColumns(module, tensors) ? in : out;
    if (elements(s) != count || std::ranges::find(s, count) == s.end()) return false;
  }
  const std::int64_t rank = module.rank;
  switch (module.kind) {
    case AdapterKind::Lora: {
      const bool core = module.has(Part::Mid);
      return measures(Part::Up, out, rank, 1) &&
             measures(Part::Down, rank, in, core ? 1 : window) &&
             (!core || measures(Part::Mid, rank, rank, window));
    }
    case AdapterKind::Loha: {
      if (module.has(Part::HadaT1))
        return measures(Part::HadaT1, rank, rank, window) &&
               measures(Part::HadaT2, rank, rank, window) &&
               measures(Part::HadaW1A, rank, out, 1) && measures(Part::HadaW1B, rank, in, 1) &&
               measures(Part::HadaW2A, rank, out, 1) && measures(Part::HadaW2B, rank, in, 1);
      return measures(Part::HadaW1A, out, rank, 1) && measures(Part::HadaW1B, rank, in, window) &&
             measures(Part::HadaW2A, out, rank, 1) && measures(Part::HadaW2B, rank, in, window);
    }
    case AdapterKind::Lokr: {
      // The first factor is a matrix, so that the second is what is left of the weight.
      Shape first = shape(Part::LokrW1);
      if (!module.has(Part::LokrW1)) {
        const Shape a = shape(Part::LokrW1A), b = shape(Part::LokrW1B);
        if (a.size() != 2 || b.size() != 2 || a[1] != b[0]) return false;
        first = {a[0], b[1]};
      }
      if (first.size() != 2 || first[0] < 1 || first[1] < 1 || out % first[0] || in % first[1])
        return false;
      const std::int64_t rows = out / first[0], columns = in / first[1];
      if (module.has(Part::LokrW2)) return measures(Part::LokrW2, rows, columns, window);
      const std::int64_t inner = shape(Part::LokrW2B).empty() ? 0 : shape(Part::LokrW2B)[0];
      if (module.has(Part::LokrT2))
        return measures(Part::LokrT2, inner, inner, window) &&
               measures(Part::LokrW2A, inner, rows, 1) &&
               measures(Part::LokrW2B, inner, columns, 1);
      return measures(Part::LokrW2A, rows, inner, 1) &&
             measures(Part::LokrW2B, inner, columns, window);
    }
  }
  return false;
}

std::optional<Family> familyOf(const AdapterFile& file,
                               const TensorInfos& tensors,
                               const std::map<std::string, std::string>& metadata) {
  for (const AdapterModule& module : file.modules) {
    for (const char* second : {"lora_te2_", "text_encoder_2.", "clip_g."})
      if (module.name.starts_with(second)) return Family::StableDiffusionXl;
    const std::string name = underscored(module.name);
    if (!name.ends_with("attn2_to_k") && !name.ends_with("attn2_to_v")) continue;
    const Part part = module.kind == AdapterKind::Lora ? Part::Down : Part::HadaW1B;
    const Shape shape = shapeOf(module, tensors, part);
    const std::int64_t width = shape.size() > 1 ? shape[1] : 0;
    if (width == 768) return Family::StableDiffusion1;
    if (width == 1024) return Family::StableDiffusion2;
    if (width == 2048) return Family::StableDiffusionXl;
  }
  for (const char* key : {"ss_base_model_version", "modelspec.architecture"}) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    const std::string& text = found->second;
    if (text.starts_with("sdxl_base") || text.starts_with("stable-diffusion-xl-v1-base"))
      return Family::StableDiffusionXl;
    if (text.starts_with("sd_v2") || text.starts_with("stable-diffusion-v2"))
      return Family::StableDiffusion2;
    if (text.starts_with("sd_v1") || text.starts_with("stable-diffusion-v1"))
      return Family::StableDiffusion1;
  }
  return {};
}

AdapterNames::AdapterNames(const ModelConfigs& configs) : m_xl(configs.text2.has_value()) {
  addUnet(singleFileMap(configs.unet, ""));
  addText(networkTensors(configs.text),
          NetworkKind::TextEncoder,
          {"text_encoder.", "clip_l.", "lora_te1.", "lora_te."},
          {"lora_te_", "lora_te1_"});
  if (configs.text2)
    addText(networkTensors(*configs.text2),
            NetworkKind::TextEncoder2,
            {"text_encoder_2.", "clip_g.", "lora_te2."},
            {"lora_te2_"});
}

AdapterNames::AdapterNames(Family family) : AdapterNames(published(family)) {}

void AdapterNames::addUnet(const KeyMap& unet) {
  for (const MappedTensor& tensor : unet) {
    const AdapterTarget target{NetworkKind::UNet, moduleOf(tensor.key)};
    if (target.key.empty()) continue;
    const std::string original = moduleOf(tensor.fileKey);
    m_original.emplace(target.key, original);
    std::vector<std::string> keys = {target.key, original};
    // Attention processors call the output by its list.
    if (target.key.ends_with(".to_out.0"))
      keys.push_back(target.key.substr(0, target.key.size() - 2));
    for (const std::string& key : keys) {
      for (const char* prefix : {"",
                                 "unet.",
                                 "base_model.model.",
                                 "base_model.model.unet.",
                                 "diffusion_model.",
                                 "lora_unet."})
        add(prefix + key, target);
      for (const char* prefix : {"lora_unet_", "lycoris_"}) add(prefix + underscored(key), target);
    }
  }
}

void AdapterNames::addText(const TensorShapes& tensors,
                           NetworkKind network,
                           const std::vector<std::string>& dotted,
                           const std::vector<std::string>& kohya) {
  constexpr std::string_view prefix = "text_model.";
  for (const auto& [tensor, shape] : tensors) {
    const AdapterTarget target{network, moduleOf(tensor)};
    if (target.key.empty()) continue;
    for (const std::string& before : kohya) add(before + underscored(target.key), target);
    std::vector<std::string> keys = {target.key};
    if (target.key.starts_with(prefix)) keys.push_back(target.key.substr(prefix.size()));
    for (std::size_t i = keys.size(); i-- > 0;) {
      // Attention processors call the projections as those of the UNet.
      for (const char* part : {"q", "k", "v"})
        if (keys[i].ends_with(std::string(".") + part + "_proj"))
          keys.push_back(keys[i].substr(0, keys[i].size() - 6) + "to_" + part);
      if (keys[i].ends_with(".out_proj"))
        keys.push_back(keys[i].substr(0, keys[i].size() - 8) + "to_out");
    }
    for (const std::string& key : keys) {
      for (const std::string& before : dotted) {
        add(before + key, target);
        add("base_model.model." + before + key, target);
      }
      add("base_model.model." + key, target);
      add(key, target);
    }
  }
}

void AdapterNames::add(const std::string& name, const AdapterTarget& target) {
  m_targets.emplace(name, target);
}

const AdapterTarget* AdapterNames::find(const std::string& module) const {
  const auto found = m_targets.find(module);
  return found == m_targets.end() ? nullptr : &found->second;
}

std::string AdapterNames::kohya(const AdapterTarget& target) const {
  if (target.network == NetworkKind::TextEncoder)
    return (m_xl ? "lora_te1_" : "lora_te_") + underscored(target.key);
  if (target.network == NetworkKind::TextEncoder2) return "lora_te2_" + underscored(target.key);
  const auto original = m_original.find(target.key);
  const bool known = m_xl && original != m_original.end();
  return "lora_unet_" + underscored(known ? original->second : target.key);
}

std::string AdapterNames::peft(const AdapterTarget& target) {
  return std::string(folderName(target.network)) + "." + target.key;
}

}  // namespace likeness::weights

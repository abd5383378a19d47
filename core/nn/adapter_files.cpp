// Adapter files of every dialect and kind: checked against a model by their headers, read,
// attached.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/weights/pickle_copy.h"

namespace likeness::nn {
namespace adapter_files {

namespace fs = std::filesystem;
using weights::AdapterModule;
using weights::AdapterTarget;
using weights::NetworkKind;
using Part = weights::AdapterPart;

/// A number of PEFT's configuration: of all layers, and of those with another one, by the end of
/// their key.
struct LayerNumber {
  std::optional<double> common;
  std::map<std::string, double> patterns;
  std::optional<double> of(const std::string& layer) const {
    for (const auto& [pattern, value] : patterns)
      if (layer == pattern || layer.ends_with("." + pattern)) return value;
    return common;
  }
};
struct PeftConfig {
  LayerNumber alpha, rank;
  bool stabilized = false;  ///< rsLoRA: divided by the root of the rank
};
using Configs = std::map<NetworkKind, PeftConfig>;

/// One entry of a configuration. Errors name what changes the arithmetic and is not read.
tl::expected<void, std::string> readEntry(const std::string& name,
                                          const nlohmann::json& value,
                                          PeftConfig& config) {
  if ((name == "lora_alpha" || name == "alpha") && value.is_number()) {
    config.alpha.common = value.get<double>();
  } else if (name == "r" && value.is_number()) {
    config.rank.common = value.get<double>();
  } else if (name == "use_rslora" && value.is_boolean()) {
    config.stabilized = value.get<bool>();
  } else if ((name == "alpha_pattern" || name == "rank_pattern") && value.is_object()) {
    for (const auto& [pattern, number] : value.items()) {
      const std::string plain = pattern.starts_with("^") ? pattern.substr(1) : pattern;
      const bool isKey = std::ranges::all_of(plain, [](unsigned char c) {
        return std::isalnum(c) || c == '_' || c == '.' || c == '-';
      });
      if (!isKey || !number.is_number())
        return tl::unexpected("its " + name + " \"" + pattern + "\" is not the name of a layer");
      (name == "alpha_pattern" ? config.alpha : config.rank).patterns[plain] = number.get<double>();
    }
  } else if (name == "fan_in_fan_out" && value == true) {
    return tl::unexpected<std::string>("it uses \"fan_in_fan_out\", which is not supported");
  }
  return {};
}

/// adapter_config.json beside a file of PEFT speaks of all of it, the metadata of each network.
tl::expected<Configs, std::string> readConfigs(const fs::path& file,
                                               const std::map<std::string, std::string>& metadata) {
  Configs configs;
  const auto forAll = [&](const PeftConfig& config) {
    for (const auto kind : {NetworkKind::UNet, NetworkKind::TextEncoder, NetworkKind::TextEncoder2})
      configs[kind] = config;
  };
  if (const auto alpha = metadata.find("alpha"); alpha != metadata.end())
    if (const auto json = nlohmann::json::parse(alpha->second, nullptr, false); json.is_number())
      forAll({{json.get<double>(), {}}, {}, false});
  if (file.filename() == "adapter_model.safetensors")
    if (const auto text = base::readFile(file.parent_path() / "adapter_config.json", 4 << 20)) {
      const auto json = nlohmann::json::parse(*text, nullptr, false);
      if (!json.is_object())
        return tl::unexpected<std::string>("its adapter_config.json is not JSON");
      PeftConfig config;
      for (const auto& [key, value] : json.items())
        if (const auto read = readEntry(key, value, config); !read)
          return tl::unexpected(read.error());
      forAll(config);
    }
  const auto found = metadata.find("lora_adapter_metadata");
  if (found == metadata.end()) return configs;
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_object())
    return tl::unexpected<std::string>("its lora_adapter_metadata is not JSON");
  for (const auto& [key, value] : json.items()) {
    NetworkKind kind = NetworkKind::UNet;
    for (const auto text : {NetworkKind::TextEncoder, NetworkKind::TextEncoder2})
      if (key.starts_with(std::string(weights::folderName(text)) + ".")) kind = text;
    if (const auto read = readEntry(key.substr(key.rfind('.') + 1), value, configs[kind]); !read)
      return tl::unexpected(read.error());
  }
  return configs;
}

/// `"a", "b", "c" and 9 more`
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
    text += (i ? ", \"" : "\"") + names[i] + "\"";
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

/// Everything that keeps a file from a model: a sentence, and every name in the detail.
struct Misfits {
  std::vector<std::string> broken, unknown, misshaped;
  std::string family;  ///< when it is another one: "it was made for X and this is a Y; "

  bool any() const { return !broken.empty() || !unknown.empty() || !misshaped.empty(); }
  std::string sentence() const {
    std::string text = family;
    const auto add = [&](const std::string& clause) {
      text += (text.empty() || text.ends_with(" ") ? "" : "; ") + clause;
    };
    if (!unknown.empty())
      add("this model has no layer" + std::string(unknown.size() > 1 ? "s " : " ") +
          listed(unknown));
    if (misshaped.size() == 1) add(listed(misshaped) + " does not fit the layer's shape");
    if (misshaped.size() > 1) add(listed(misshaped) + " do not fit their layers' shapes");
    for (std::size_t i = 0; i < std::min<std::size_t>(3, broken.size()); ++i) add(broken[i]);
    if (broken.size() > 3) add("and " + std::to_string(broken.size() - 3) + " things more");
    return text;
  }
  std::string detail() const {
    std::string text;
    for (const std::string& name : unknown) text += "no layer " + name + "\n";
    for (const std::string& name : misshaped)
      text += "another shape than the layer's: " + name + "\n";
    for (const std::string& problem : broken) text += problem + "\n";
    return text;
  }
};

/// One module of a file, read.
struct ReadModule {
  AdapterTarget target;
  AdapterModule module;
  AdapterParts parts;  ///< in the file's types; without alpha and the scalar
  double scale = 1;    ///< of the whole change
  bool ofColumns = false;
};

/// An opened file: its header, whole and understood.
struct OpenAdapter {
  fs::path path;
  weights::SafetensorsFile file;
  weights::AdapterFile content;
  std::optional<weights::Family> family;
  Configs configs;

  api::Error bad(const std::string& reason, const std::string& detail = {}) const {
    return {api::ErrorCode::BadAdapter, {{"file", path.string()}, {"reason", reason}}, detail};
  }
};

api::Result<OpenAdapter> open(const fs::path& path) {
  const fs::path place = weights::adapterIn(path);
  auto file = weights::openWeights(place);
  if (!file) return api::fail(file.error());
  OpenAdapter adapter{path, std::move(*file), {}, {}, {}};
  auto content = weights::readAdapterFile(adapter.file.tensors());
  if (!content) return api::fail(adapter.bad("it holds no LoRA or relative of one"));
  adapter.content = std::move(*content);
  adapter.family =
      weights::familyOf(adapter.content, adapter.file.tensors(), adapter.file.metadata());
  auto configs = readConfigs(place, adapter.file.metadata());
  if (!configs) return api::fail(adapter.bad(configs.error()));
  adapter.configs = std::move(*configs);
  return adapter;
}

/// Reads the modules; `shapeOf` gives the weight that a target changes, nullopt where the network
/// has no such layer.
template <class ShapeOf>
api::Result<std::vector<ReadModule>> read(const OpenAdapter& adapter,
                                          const weights::AdapterNames& names,
                                          const std::optional<weights::Family>& modelFamily,
                                          const ShapeOf& shapeOf) {
  const auto& infos = adapter.file.tensors();
  Misfits misfits;
  misfits.broken = adapter.content.problems;
  std::vector<ReadModule> modules;
  std::set<AdapterTarget> targets;
  for (const AdapterModule& module : adapter.content.modules) {
    const AdapterTarget* target = names.find(module.name);
    const std::optional<weights::Shape> weight =
        target ? shapeOf(*target, module) : std::optional<weights::Shape>();
    if (!weight)
      misfits.unknown.push_back(module.name);
    else if (!weights::fits(module, infos, *weight))
      misfits.misshaped.push_back(module.name);
    else if (!targets.insert(*target).second)
      misfits.broken.push_back("\"" + module.name + "\" is there under two names");
    else
      modules.push_back({*target, module, {}, 1, false});
  }
  if (misfits.any()) {
    if (modelFamily && adapter.family && *modelFamily != *adapter.family)
      misfits.family = "it was made for " + std::string(weights::name(*adapter.family)) +
                       " and this is a " + std::string(weights::name(*modelFamily)) + " model: ";
    return api::fail(adapter.bad(misfits.sentence(), misfits.detail()));
  }

  auto tensors = tensor::loadSafetensors(adapter.file.path());
  if (!tensors) return api::fail(tensors.error());
  for (ReadModule& one : modules) {
    const auto number = [&](Part part) -> std::optional<double> {
      if (!one.module.has(part)) return {};
      return tensors->at(one.module.tensors.at(part)).to(at::kDouble).template item<double>();
    };
    const auto config = adapter.configs.find(one.target.network);
    std::optional<double> alpha = number(Part::Alpha), rank;
    if (one.module.rank > 0) rank = static_cast<double>(one.module.rank);
    if (!alpha && config != adapter.configs.end()) {
      alpha = config->second.alpha.of(one.target.key);
      // A LoKr of whole factors has alpha over the rank it was asked for, in PEFT alone.
      if (!rank) rank = config->second.rank.of(one.target.key);
      if (rank && config->second.stabilized) rank = std::sqrt(*rank);
    }
    if (rank && alpha) one.scale = *alpha / *rank;
    one.scale *= number(Part::Scalar).value_or(1);
    if (!std::isfinite(one.scale))
      return api::fail(adapter.bad("\"" + one.module.name + "\" has no finite alpha"));
    for (const auto& [part, key] : one.module.tensors)
      if (part != Part::Alpha && part != Part::Scalar) one.parts.emplace(part, tensors->at(key));
    if (one.module.has(Part::Magnitude)) one.ofColumns = weights::ofColumns(one.module, infos);
  }
  return modules;
}

/// The module as its layer carries it, for a weight of this shape.
Adapter adapterOf(const ReadModule& read, const at::Tensor& weight) {
  Adapter adapter;
  adapter.scale = read.scale;
  const auto part = [&](Part name, at::IntArrayRef shape) {
    return read.parts.at(name).reshape(shape).to(weight.device(), weight.scalar_type());
  };
  const std::int64_t rank = read.module.rank, out = weight.size(0), in = weight.size(1);
  const bool window = weight.dim() == 4 && weight.size(2) * weight.size(3) > 1;
  const bool core = read.module.has(Part::Mid);
  if (read.module.kind == weights::AdapterKind::Lora && !read.module.has(Part::Magnitude) &&
      (window || !core)) {
    std::vector<std::int64_t> down = weight.sizes().vec(), up(down.size(), 1);
    down[0] = rank, up[0] = out, up[1] = rank;
    if (core) {
      adapter.mid = part(Part::Mid, {rank, rank, weight.size(2), weight.size(3)});
      down = {rank, in, 1, 1};
    }
    adapter.down = part(Part::Down, down);
    adapter.up = part(Part::Up, up);
    return adapter;
  }
  AdapterParts parts;
  for (const auto& [name, tensor] : read.parts)
    parts.emplace(name, tensor.to(weight.device(), at::kFloat));
  adapter.change = [kind = read.module.kind,
                    parts = std::move(parts),
                    scale = read.scale,
                    ofColumns = read.ofColumns](const at::Tensor& base) {
    const at::Tensor change = weightChange(kind, parts, base.sizes()).mul(scale);
    const auto magnitude = parts.find(Part::Magnitude);
    return magnitude == parts.end() ? change
                                    : decomposedChange(base, change, magnitude->second, ofColumns);
  };
  return adapter;
}

/// The networks of a model that adapters change.
std::map<NetworkKind, const ParameterStore*> storesOf(const StableDiffusion& model) {
  std::map<NetworkKind, const ParameterStore*> stores = {
      {NetworkKind::TextEncoder, model.textEncoder.store.get()},
      {NetworkKind::UNet, model.unet.store.get()}};
  if (model.textEncoder2.store)
    stores.emplace(NetworkKind::TextEncoder2, model.textEncoder2.store.get());
  return stores;
}

/// The weight that a LoRA of its own shapes changes.
std::optional<weights::Shape> ownShape(const AdapterModule& module,
                                       const weights::TensorInfos& tensors) {
  const auto shape = [&](Part part) { return tensors.at(module.tensors.at(part)).shape; };
  if (module.kind != weights::AdapterKind::Lora) return {};
  const weights::Shape down = shape(Part::Down), up = shape(Part::Up);
  if (down.size() < 2 || up.empty()) return weights::Shape{};
  weights::Shape weight = module.has(Part::Mid) ? shape(Part::Mid) : down;
  if (weight.size() < 2) return weights::Shape{};
  weight[0] = up[0], weight[1] = down[1];
  return weight;
}

}  // namespace adapter_files

api::Result<void> attachAdapterFile(StableDiffusion& model,
                                    const std::filesystem::path& file,
                                    double strength) {
  using namespace adapter_files;
  const auto opened = open(file);
  if (!opened) return api::fail(opened.error());
  const auto stores = storesOf(model);
  const auto slotOf = [&](const AdapterTarget& target) -> std::shared_ptr<AdapterSlot> {
    const auto store = stores.find(target.network);
    if (store == stores.end()) return nullptr;
    const auto& slots = store->second->slots();
    const auto slot = slots.find(target.key);
    return slot == slots.end() ? nullptr : slot->second;
  };
  const auto weightOf = [&](const AdapterTarget& target) {
    return stores.at(target.network)->parameters().at(target.key + ".weight");
  };
  const auto modules =
      read(*opened,
           weights::AdapterNames(model.files.configs),
           model.files.family,
           [&](const AdapterTarget& target, const auto&) -> std::optional<weights::Shape> {
             if (!slotOf(target)) return {};
             return weightOf(target).sizes().vec();
           });
  if (!modules) return api::fail(modules.error());
  std::size_t number = 0;
  for (const auto& [kind, store] : stores) number = std::max(number, adapterCount(*store));
  for (const ReadModule& module : *modules) {
    Adapter adapter = adapterOf(module, weightOf(module.target));
    adapter.strength = strength;
    adapter.number = number;
    slotOf(module.target)->adapters.push_back(std::move(adapter));
  }
  return {};
}

api::Result<Lora> readLora(const std::filesystem::path& file) {
  using namespace adapter_files;
  using weights::Family;
  const auto opened = open(file);
  if (!opened) return api::fail(opened.error());
  for (const AdapterModule& module : opened->content.modules)
    if (module.kind != weights::AdapterKind::Lora)
      return api::fail(opened->bad("it is a " + opened->content.kind() +
                                   ", which has no other form than its own"));
  Lora lora;
  lora.family = opened->family.value_or(Family::StableDiffusion1);
  weights::AdapterNames names(lora.family);
  // Nothing but the names themselves may tell that it is for SDXL.
  if (!opened->family && std::ranges::any_of(opened->content.modules, [&](const auto& module) {
        return !names.find(module.name);
      })) {
    lora.family = Family::StableDiffusionXl;
    names = weights::AdapterNames(lora.family);
  }
  auto modules = read(*opened, names, {}, [&](const AdapterTarget&, const AdapterModule& module) {
    return ownShape(module, opened->file.tensors());
  });
  if (!modules) return api::fail(modules.error());
  for (const ReadModule& read : *modules) {
    const auto part = [&](Part name) {
      const auto found = read.parts.find(name);
      return found == read.parts.end() ? at::Tensor() : found->second;
    };
    const LoraModule module{part(Part::Down),
                            part(Part::Up),
                            part(Part::Mid),
                            part(Part::Magnitude),
                            read.scale * static_cast<double>(read.module.rank),
                            read.ofColumns};
    lora.modules.emplace(read.target, module);
  }
  for (const auto& [key, value] : opened->file.metadata())
    if ((key.starts_with("ss_") || key.starts_with("modelspec.")) && key != "modelspec.hash_sha256")
      lora.metadata.emplace(key, value);
  return lora;
}

}  // namespace likeness::nn

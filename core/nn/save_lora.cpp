// Writing LoRA files.
#include <ATen/ops/einsum.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/hash.h"
#include "core/nn/adapters.h"

namespace likeness::nn {
namespace {

using weights::AdapterNames;
using weights::AdapterTarget;
using weights::Family;

constexpr std::string_view downSuffix = ".lora_A.weight", upSuffix = ".lora_B.weight",
                           textPrefix = "text_model.";

std::string number(double value) { return nlohmann::json(value).dump(); }

/// kohya's two hashes (sd-scripts, precalculate_safetensors_hashes): over the file as it would be
/// with the ss_ entries alone.
void addKohyaHashes(const tensor::StateDict& tensors,
                    std::optional<at::ScalarType> dtype,
                    std::map<std::string, std::string>& metadata) {
  constexpr std::uint64_t legacyBegin = 0x100000, legacyEnd = legacyBegin + 0x10000;
  std::map<std::string, std::string> training;
  for (const auto& [key, value] : metadata)
    if (key.starts_with("ss_")) training.emplace(key, value);
  std::vector<weights::TensorSource> sources;
  for (const auto& [key, tensor] : tensors)
    sources.push_back(tensor::tensorSource(key, tensor, dtype));
  const std::string header = weights::layOutHeader(sources, training);

  base::Sha256 data, legacy;
  std::uint64_t position = 0;
  const auto pass = [&](std::span<const std::byte> bytes) {
    const std::uint64_t begin = std::clamp(legacyBegin, position, position + bytes.size());
    const std::uint64_t end = std::clamp(legacyEnd, position, position + bytes.size());
    legacy.update(bytes.subspan(begin - position, end - begin));
    position += bytes.size();
  };
  pass(std::as_bytes(std::span(header)));
  for (const auto& source : sources)
    (void)source.produce([&](std::span<const std::byte> bytes) -> api::Result<void> {
      data.update(bytes);
      pass(bytes);
      return {};
    });
  const std::string hash = data.hex();
  metadata["sshs_model_hash"] = hash;
  metadata["sshs_legacy_hash"] = legacy.hex().substr(0, 8);
  metadata["modelspec.hash_sha256"] = "0x" + hash;
}

/// 0: a LoKr of whole factors.
std::int64_t rankOf(const LoraModule& module) {
  if (module.down.defined()) return module.down.size(0);
  const auto second = module.lokr.find(weights::AdapterPart::LokrW2B);
  return second == module.lokr.end() ? 0 : second->second.size(0);
}

constexpr std::pair<std::string_view, weights::AdapterPart> lokrParts[] = {
    {".lokr_w1", weights::AdapterPart::LokrW1},
    {".lokr_w2", weights::AdapterPart::LokrW2},
    {".lokr_w2_a", weights::AdapterPart::LokrW2A},
    {".lokr_w2_b", weights::AdapterPart::LokrW2B}};
constexpr std::string_view magnitudeSuffix = ".lora_magnitude_vector";

/// The value that most modules have.
template <class Value, class Of>
Value mostFrequent(const Lora& lora, const Of& of) {
  std::map<Value, std::size_t> counts;
  for (const auto& [target, module] : lora.modules) ++counts[of(module)];
  const auto most =
      std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  return most == counts.end() ? Value{} : most->first;
}

/// The magnitudes of rows as a tensor of this many dimensions, `at` the one that counts them.
at::Tensor magnitudes(const LoraModule& module, std::int64_t dimensions, std::size_t at) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(dimensions), 1);
  shape[at] = -1;
  return module.magnitude.reshape(shape);
}

/// Entries that every program of kohya's kind looks for, where the Lora has none of its own.
std::map<std::string, std::string> kohyaMetadata(const Lora& lora, const std::string& title) {
  std::map<std::string, std::string> all = lora.metadata;
  const auto prediction = all.find("modelspec.prediction_type");
  const bool velocity = prediction != all.end() && prediction->second == "v";
  const bool xl = lora.family == Family::StableDiffusionXl,
             two = lora.family == Family::StableDiffusion2;
  const bool dora = std::ranges::any_of(
      lora.modules, [](const auto& entry) { return entry.second.magnitude.defined(); });
  const bool lokr = std::ranges::any_of(
      lora.modules, [](const auto& entry) { return !entry.second.lokr.empty(); });
  const std::string version = xl ? "sdxl_base_v1-0" : two ? "sd_v2" : "sd_v1";
  const std::string side = xl ? "1024" : velocity && two ? "768" : "512";
  const std::pair<const char*, std::string> entries[] = {
      {"ss_network_module", dora || lokr ? "lycoris.kohya" : "networks.lora"},
      {"ss_network_dim", std::to_string(mostFrequent<std::int64_t>(lora, rankOf))},
      {"ss_network_alpha",
       number(mostFrequent<double>(lora, [](const LoraModule& m) { return m.alpha; }))},
      {"ss_v2", two ? "True" : "False"},
      {"ss_base_model_version", version + (velocity ? "_v" : "")},
      {"modelspec.sai_model_spec", "1.0.1"},
      {"modelspec.architecture", weights::modelSpecArchitecture(lora.family, velocity) + "/lora"},
      {"modelspec.implementation",
       xl ? "https://github.com/Stability-AI/generative-models" : "diffusers"},
      {"modelspec.title", title},
      {"modelspec.resolution", side + "x" + side},
  };
  for (const auto& [key, value] : entries) all.emplace(key, value);
  if (dora) all.emplace("ss_network_args", R"({"algo": "lora", "dora_wd": "True"})");
  if (lokr) all.emplace("ss_network_args", R"({"algo": "lokr"})");
  return all;
}

api::Result<weights::WrittenFile> saveKohya(const Lora& lora,
                                            const std::filesystem::path& out,
                                            std::optional<at::ScalarType> dtype) {
  const AdapterNames names = lora.configs ? AdapterNames(*lora.configs) : AdapterNames(lora.family);
  tensor::StateDict tensors;
  for (const auto& [target, module] : lora.modules) {
    const std::string name = names.kohya(target);
    tensors.emplace(name + ".alpha", at::scalar_tensor(module.alpha, at::kFloat));
    for (const auto& [suffix, part] : lokrParts)
      if (const auto found = module.lokr.find(part); found != module.lokr.end())
        tensors.emplace(name + std::string(suffix), found->second.contiguous());
    if (!module.lokr.empty()) continue;
    tensors.emplace(name + ".lora_down.weight", module.down);
    tensors.emplace(name + ".lora_up.weight", module.up);
    if (module.mid.defined()) tensors.emplace(name + ".lora_mid.weight", module.mid);
    if (module.magnitude.defined())
      tensors.emplace(
          name + ".dora_scale",
          magnitudes(module, module.down.dim(), module.magnitudeOfColumns ? 1 : 0).contiguous());
  }
  auto metadata = kohyaMetadata(lora, out.stem().string());
  addKohyaHashes(tensors, dtype, metadata);
  return tensor::saveSafetensors(out, tensors, metadata, dtype);
}

/// PEFT has no core between the matrices: it becomes part of the first.
at::Tensor withCore(const LoraModule& module) {
  if (!module.mid.defined()) return module.down;
  const at::Tensor core = module.mid.to(at::kFloat), down = module.down.to(at::kFloat).flatten(1);
  std::vector<std::int64_t> shape = core.sizes().vec();
  shape[1] = down.size(1);
  return at::einsum("pqw,qi->piw", {core.flatten(2), down})
      .reshape(shape)
      .to(module.down.scalar_type());
}

/// As PEFT divides the size of a layer (peft.tuners.lokr.layer.factorization): by its factor where
/// that is a divisor, however small the rest.
std::pair<std::int64_t, std::int64_t> peftFactors(std::int64_t size, std::int64_t factor) {
  if (factor > 0 && size % factor == 0) return {factor, size / factor};
  const std::int64_t largest = factor > 0 ? factor : size;
  std::int64_t small = 1;
  for (std::int64_t i = 2; i <= largest && i * i <= size; ++i)
    if (size % i == 0) small = i;
  return {small, size / small};
}

/// PEFT knows one factor for all layers of a network. The one by which it divides them as they were
/// trained; nothing where there is none.
std::optional<std::int64_t> peftFactor(const Lora& lora) {
  using enum weights::AdapterPart;
  const auto divides = [](const AdapterParts& parts, std::int64_t factor) {
    const at::Tensor& first = parts.at(LokrW1);
    const bool whole = parts.contains(LokrW2);
    const at::Tensor& second = parts.at(whole ? LokrW2 : LokrW2A);
    const auto fits = [&](std::int64_t side, std::int64_t rest) {
      return peftFactors(side * rest, factor) == std::pair(side, rest);
    };
    if (!fits(first.size(0), second.size(0))) return false;
    if (whole) return fits(first.size(1), second.size(1));
    // The window of a convolution is part of the columns.
    const std::int64_t columns = parts.at(LokrW2B).size(1);
    return fits(first.size(1), columns) || (columns % 9 == 0 && fits(first.size(1), columns / 9));
  };
  std::set<std::int64_t> candidates{-1};
  for (const auto& [target, module] : lora.modules)
    candidates.insert({module.lokr.at(LokrW1).size(0), module.lokr.at(LokrW1).size(1)});
  for (const std::int64_t factor : candidates)
    if (std::ranges::all_of(lora.modules,
                            [&](const auto& entry) { return divides(entry.second.lokr, factor); }))
      return factor;
  return {};
}

bool isLokr(const Lora& lora) {
  return !lora.modules.empty() && std::ranges::all_of(lora.modules, [](const auto& entry) {
    return !entry.second.lokr.empty();
  });
}

/// The rank by which PEFT makes the second factor whole, where it is.
std::int64_t wholeRank(const LoraModule& module) {
  const at::Tensor& second = module.lokr.at(weights::AdapterPart::LokrW2);
  return std::max(second.size(0), second.size(1));
}

std::map<weights::NetworkKind, Lora> byNetwork(const Lora& lora) {
  std::map<weights::NetworkKind, Lora> networks;
  for (const auto& [target, module] : lora.modules)
    networks[target.network].modules.emplace(target, module);
  return networks;
}

/// LoraConfig or LoKrConfig of each network as diffusers reads it: what most layers have, and the
/// others by name.
std::string peftConfig(const Lora& lora) {
  nlohmann::json config = nlohmann::json::object();
  for (const auto& [kind, part] : byNetwork(lora)) {
    const std::string prefix = std::string(weights::folderName(kind)) + ".";
    const auto rank = std::max<std::int64_t>(1, mostFrequent<std::int64_t>(part, rankOf));
    const auto alpha = mostFrequent<double>(part, [](const LoraModule& m) { return m.alpha; });
    std::set<std::string> targets;
    auto ranks = nlohmann::json::object(), alphas = nlohmann::json::object();
    bool dora = false;
    for (const auto& [target, module] : part.modules) {
      // Without text_model., which newer versions of transformers do not have; they look at ends.
      const std::string key =
          target.key.starts_with(textPrefix) ? target.key.substr(textPrefix.size()) : target.key;
      targets.insert(key);
      // PEFT has alpha / r for a LoKr of whole factors too, which LyCORIS multiplies by 1.
      const bool whole = rankOf(module) == 0;
      if (whole || rankOf(module) != rank) ranks[key] = whole ? wholeRank(module) : rankOf(module);
      if (whole)
        alphas[key] = wholeRank(module);
      else if (module.alpha != alpha)
        alphas[key] = module.alpha;
      dora |= module.magnitude.defined();
    }
    config[prefix + "r"] = rank;
    const bool lokr = isLokr(part);
    config[prefix + (lokr ? "alpha" : "lora_alpha")] = alpha;
    if (const auto factor = lokr ? peftFactor(part) : std::nullopt)
      config[prefix + "decompose_factor"] = *factor;
    config[prefix + "target_modules"] = targets;
    if (!ranks.empty()) config[prefix + "rank_pattern"] = ranks;
    if (!alphas.empty()) config[prefix + "alpha_pattern"] = alphas;
    if (dora) config[prefix + "use_dora"] = true;
  }
  return config.dump();
}

api::Result<weights::WrittenFile> savePeft(const Lora& lora,
                                           const std::filesystem::path& out,
                                           std::optional<at::ScalarType> dtype) {
  for (const auto& [kind, part] : byNetwork(lora))
    if (isLokr(part) && !peftFactor(part))
      return api::fail(api::ErrorCode::BadCombination,
                       {{"reason",
                         "PEFT divides layers as small as these in another way, so its form cannot "
                         "hold this LoKr"},
                        {"fix", "Write it in LyCORIS' form with --format kohya-lora"}});
  tensor::StateDict tensors;
  for (const auto& [target, module] : lora.modules) {
    const std::string name = AdapterNames::peft(target);
    for (const auto& [suffix, part] : lokrParts)
      if (const auto found = module.lokr.find(part); found != module.lokr.end())
        tensors.emplace(name + std::string(suffix), found->second);
    if (!module.lokr.empty()) continue;
    const at::Tensor down = withCore(module);
    tensors.emplace(name + std::string(downSuffix), down);
    tensors.emplace(name + std::string(upSuffix), module.up);
    if (!module.magnitude.defined()) continue;
    if (module.magnitudeOfColumns)
      return api::fail(api::ErrorCode::BadAdapter,
                       {{"file", out.string()},
                        {"reason",
                         "the magnitudes of this DoRA are those of columns, which PEFT's form "
                         "cannot hold"}});
    tensors.emplace(name + std::string(magnitudeSuffix),
                    down.dim() == 4 ? magnitudes(module, 4, 1) : magnitudes(module, 1, 0));
  }
  std::map<std::string, std::string> metadata = lora.metadata;
  metadata.merge(peftMetadata(lora));
  return tensor::saveSafetensors(out, tensors, metadata, dtype);
}

}  // namespace

Lora loraOf(const tensor::StateDict& adapter, double scale) {
  Lora lora;
  for (const auto& [key, tensor] : adapter) {
    const std::size_t dot = key.find('.');
    auto network = weights::NetworkKind::UNet;
    for (const auto text : {weights::NetworkKind::TextEncoder, weights::NetworkKind::TextEncoder2})
      if (key.substr(0, dot) == weights::folderName(text)) network = text;
    const auto partOf = [&](std::string_view suffix) -> LoraModule* {
      if (!key.ends_with(suffix)) return nullptr;
      const std::string module = key.substr(dot + 1, key.size() - dot - 1 - suffix.size());
      return &lora.modules[{network, module}];
    };
    if (LoraModule* module = partOf(downSuffix)) module->down = tensor.detach();
    if (LoraModule* module = partOf(upSuffix)) module->up = tensor.detach();
    if (LoraModule* module = partOf(magnitudeSuffix)) module->magnitude = tensor.detach();
    for (const auto& [suffix, part] : lokrParts)
      if (LoraModule* module = partOf(suffix)) module->lokr[part] = tensor.detach();
  }
  for (auto& [target, module] : lora.modules)
    module.alpha = scale * static_cast<double>(std::max<std::int64_t>(1, rankOf(module)));
  return lora;
}

std::map<std::string, std::string> peftMetadata(const Lora& lora) {
  return {{"format", "pt"}, {"lora_adapter_metadata", peftConfig(lora)}};
}

api::Result<weights::WrittenFile> saveLora(const Lora& lora,
                                           LoraForm form,
                                           const std::filesystem::path& out,
                                           std::optional<at::ScalarType> dtype) {
  return form == LoraForm::Kohya ? saveKohya(lora, out, dtype) : savePeft(lora, out, dtype);
}

double loraDifference(const Lora& a, const Lora& b) {
  constexpr double other = std::numeric_limits<double>::infinity();
  if (a.modules.size() != b.modules.size()) return other;
  const auto change = [](const LoraModule& module) {
    const at::Tensor up = module.up.to(at::kFloat).flatten(1),
                     down = withCore(module).to(at::kFloat).flatten(1);
    return up.mm(down).mul(module.alpha / static_cast<double>(rankOf(module)));
  };
  double largest = 0;
  const auto compare = [&](const at::Tensor& x, const at::Tensor& y) {
    if (x.numel() != y.numel()) return false;
    const double norm = std::max(x.norm().item<double>(), 1e-30);
    largest = std::max(largest, (x - y.view_as(x)).norm().item<double>() / norm);
    return true;
  };
  for (const auto& [target, one] : a.modules) {
    const auto found = b.modules.find(target);
    if (found == b.modules.end() || !compare(change(one), change(found->second))) return other;
    const at::Tensor &x = one.magnitude, &y = found->second.magnitude;
    if (x.defined() != y.defined() || one.magnitudeOfColumns != found->second.magnitudeOfColumns)
      return other;
    if (x.defined() && !compare(x.to(at::kFloat).flatten(), y.to(at::kFloat).flatten()))
      return other;
  }
  return largest;
}

}  // namespace likeness::nn

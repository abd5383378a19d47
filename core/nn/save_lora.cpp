// Writing LoRA files.
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/hash.h"
#include "core/nn/adapters.h"

namespace likeness::nn {
namespace {

constexpr std::string_view unetPrefix = "unet.", downSuffix = ".lora_A.weight",
                           upSuffix = ".lora_B.weight";

std::int64_t rankOf(const tensor::StateDict& peft) {
  for (const auto& [key, tensor] : peft)
    if (key.ends_with(downSuffix)) return tensor.size(0);
  return 0;
}

std::string number(double value) { return nlohmann::json(value).dump(); }

/// kohya's two hashes (sd-scripts, precalculate_safetensors_hashes): over the file as it would be
/// with the ss_ entries alone.
void addKohyaHashes(const tensor::StateDict& tensors,
                    at::ScalarType dtype,
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

}  // namespace

api::Result<void> saveKohyaLora(const tensor::StateDict& peft,
                                const std::filesystem::path& out,
                                at::ScalarType dtype,
                                double alpha,
                                const std::map<std::string, std::string>& metadata) {
  tensor::StateDict tensors;
  for (const auto& [key, tensor] : peft) {
    const bool down = key.ends_with(downSuffix);
    std::string module = key.substr(0, key.size() - (down ? downSuffix : upSuffix).size());
    std::ranges::replace(module, '.', '_');
    module = "lora_unet_" + module;
    tensors.emplace(module + (down ? ".lora_down.weight" : ".lora_up.weight"), tensor);
    if (down) tensors.emplace(module + ".alpha", at::scalar_tensor(alpha, at::kFloat));
  }
  std::map<std::string, std::string> all = {
      {"ss_network_module", "networks.lora"},
      {"ss_network_dim", std::to_string(rankOf(peft))},
      {"ss_network_alpha", number(alpha)},
      {"ss_v2", "False"},
      {"ss_base_model_version", "sd_v1"},
      {"modelspec.sai_model_spec", "1.0.1"},
      {"modelspec.architecture", "stable-diffusion-v1/lora"},
      {"modelspec.implementation", "diffusers"},
      {"modelspec.title", out.stem().string()},
  };
  for (const auto& [key, value] : metadata) all[key] = value;
  addKohyaHashes(tensors, dtype, all);
  if (auto written = tensor::saveSafetensors(out, tensors, all, dtype); !written)
    return api::fail(written.error());
  return {};
}

api::Result<weights::WrittenFile> savePeftLora(const tensor::StateDict& peft,
                                               const std::filesystem::path& out,
                                               double alpha) {
  tensor::StateDict tensors;
  std::set<std::string> targets;
  for (const auto& [key, tensor] : peft) {
    tensors.emplace(std::string(unetPrefix) + key, tensor);
    if (key.ends_with(downSuffix)) targets.insert(key.substr(0, key.size() - downSuffix.size()));
  }
  const nlohmann::json config = {
      {"unet.r", rankOf(peft)}, {"unet.lora_alpha", alpha}, {"unet.target_modules", targets}};
  return tensor::saveSafetensors(
      out, tensors, {{"format", "pt"}, {"lora_adapter_metadata", config.dump()}}, at::kFloat);
}

api::Result<tensor::StateDict> loadPeftLora(const std::filesystem::path& file) {
  auto tensors = tensor::loadSafetensors(file, at::kFloat);
  if (!tensors) return tensors;
  tensor::StateDict peft;
  for (auto& [key, tensor] : *tensors)
    peft.emplace(key.starts_with(unetPrefix) ? key.substr(unetPrefix.size()) : key,
                 std::move(tensor));
  return peft;
}

}  // namespace likeness::nn

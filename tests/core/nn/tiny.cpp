#include "tests/core/nn/tiny.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>

#include <cstdlib>

#include "core/nn/encode_text.h"
#include "core/tensor/random_tensor.h"
#include "tests/support/tiny_model.h"

namespace likeness::nn::test {
namespace fs = std::filesystem;

namespace {

at::Tensor draw(at::IntArrayRef shape, std::uint64_t sample) {
  return tensor::normal(shape, base::Random(7, base::Purpose::Test, 1, sample));
}

}  // namespace

const fs::path& tinyFolder() {
  static const support::TempFolder folder;
  static const fs::path model = [] {
    setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);  // file hashes are remembered there
    return support::makeTinyModel(folder / "tiny");
  }();
  return model;
}

fs::path copyTiny(const fs::path& to) {
  fs::copy(tinyFolder(), to, fs::copy_options::recursive);
  return to;
}

StableDiffusion mustLoad(const fs::path& folder, const LoadOptions& options) {
  auto model = loadStableDiffusion({folder}, options);
  if (!model) throw std::runtime_error(api::message(model.error()) + model.error().detail);
  return std::move(*model);
}

at::Tensor unetOutput(const UNet2DConditionModel& unet) {
  const c10::NoGradGuard noGrad;
  const auto& config = unet.config();
  return unet.forward(draw({2, config.inChannels, config.sampleSize, config.sampleSize}, 1),
                      at::full({2}, 300, at::kLong),
                      draw({2, 5, config.crossAttentionDim}, 2));
}

at::Tensor textOutput(const StableDiffusion& model) {
  const c10::NoGradGuard noGrad;
  return encodeText(model, {"a photo of sks toy"}).context;
}

tensor::StateDict attachTrained(StableDiffusion& model,
                                const api::LoraOptions& options,
                                std::uint64_t seed) {
  tensor::StateDict trainable = attachLora(*model.unet.store, options, seed);
  std::uint64_t sample = 100 * seed;
  for (const auto& [key, tensor] : trainable)
    if (key.ends_with(".lora_B.weight"))
      tensor.detach().copy_(draw(tensor.sizes(), ++sample).mul(0.3));
  return trainable;
}

std::size_t adapterCount(const StableDiffusion& model) {
  std::size_t count = 0;
  for (const auto& [key, slot] : model.unet.store->slots()) count += slot->adapters.size();
  for (const auto& [key, slot] : model.textEncoder.store->slots()) count += slot->adapters.size();
  return count;
}

std::string said(const api::Error& error, const std::string& name) {
  for (const auto& [key, value] : error.context)
    if (key == name) return value;
  return {};
}

std::set<std::string> filesBelow(const fs::path& folder) {
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory()) files.insert(fs::relative(entry.path(), folder).string());
  return files;
}

testing::AssertionResult equal(const tensor::StateDict& a, const tensor::StateDict& b) {
  if (a.size() != b.size())
    return testing::AssertionFailure() << a.size() << " tensors beside " << b.size();
  for (const auto& [key, tensor] : a) {
    const auto other = b.find(key);
    if (other == b.end()) return testing::AssertionFailure() << key << " stands on one side only";
    if (tensor.scalar_type() != other->second.scalar_type() ||
        tensor.sizes() != other->second.sizes() || !at::equal(tensor, other->second))
      return testing::AssertionFailure() << key << " differs";
  }
  return testing::AssertionSuccess();
}

tensor::StateDict mustRead(const fs::path& file) {
  auto tensors = tensor::loadSafetensors(file);
  if (!tensors) throw std::runtime_error(api::message(tensors.error()));
  return std::move(*tensors);
}

void mustWrite(const fs::path& file,
               const tensor::StateDict& tensors,
               const std::map<std::string, std::string>& metadata) {
  const auto written = tensor::saveSafetensors(file, tensors, metadata);
  if (!written) throw std::runtime_error(api::message(written.error()));
}

}  // namespace likeness::nn::test

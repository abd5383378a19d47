// Latents on disk, keyed by everything they depend on.
#include "core/data/latent_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

#include <charconv>

#include "core/base/file_system.h"
#include "core/base/hash.h"
#include "core/tensor/pixels.h"
#include "core/tensor/state_dict.h"

namespace likeness::data {
namespace {

constexpr std::int64_t kSizeNumbers = 6;

nn::PictureSize sizeFrom(const at::Tensor& numbers) {
  const auto* n = numbers.const_data_ptr<std::int64_t>();
  return {n[0], n[1], n[2], n[3], n[4], n[5]};
}

/// Shortest text that reads back as the same number.
std::string text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// An autoencoder that overflows would spoil every step; its picture is named instead.
api::Result<Latents> checked(Latents latents, const TrainingPicture& picture) {
  if (at::isfinite(latents.mean).all().item<bool>() && at::isfinite(latents.std).all().item<bool>())
    return latents;
  return api::fail(api::ErrorCode::NonFinite,
                   {{"what", "The encoding of " + picture.file.string()},
                    {"fix", "Leave that picture out, or choose another autoencoder (--vae)."}});
}

}  // namespace

LatentCache::LatentCache(std::filesystem::path folder,
                         const nn::StableDiffusion& model,
                         int resolution)
    : m_folder(std::move(folder)), m_model(model), m_resolution(resolution) {}

std::filesystem::path LatentCache::fileOf(const TrainingPicture& picture, bool mirrored) const {
  const api::CropRect all{};
  const api::CropRect crop = picture.crop.value_or(all);
  std::string key = "latents 1\n" + picture.contentHash + "\n" + m_model.weightHash + "\n" +
                    std::to_string(m_resolution) + "\n" + (mirrored ? "mirrored" : "plain") + "\n";
  if (picture.crop)
    key += text(crop.x) + " " + text(crop.y) + " " + text(crop.width) + " " + text(crop.height);
  return m_folder / (base::sha256(key).substr(0, 32) + ".safetensors");
}

bool LatentCache::fits(const tensor::StateDict& cached) const {
  const auto& config = m_model.vae.model->config();
  const std::int64_t side = m_resolution / config.factor();
  const auto holds = [&](const char* name, at::ScalarType dtype, at::IntArrayRef shape) {
    const auto found = cached.find(name);
    return found != cached.end() && found->second.scalar_type() == dtype &&
           found->second.sizes() == shape;
  };
  const std::vector<std::int64_t> shape{config.latentChannels, side, side};
  return cached.size() == 3 && holds("mean", at::kFloat, shape) &&
         holds("std", at::kFloat, shape) && holds("size", at::kLong, {kSizeNumbers});
}

api::Result<Latents> LatentCache::get(const TrainingPicture& picture, bool mirrored) const {
  const auto file = fileOf(picture, mirrored);
  if (auto cached = tensor::loadSafetensors(file); cached && fits(*cached))
    return checked(Latents{cached->at("mean"), cached->at("std"), sizeFrom(cached->at("size"))},
                   picture);

  auto read = readPicture(picture, m_resolution);
  if (!read) return api::fail(read.error());
  const at::NoGradGuard noGradients;
  at::Tensor pixels = tensor::toTensor(read->image);
  if (mirrored) pixels = at::flip(pixels, {3});
  const nn::ParameterStore& weights = *m_model.vae.store;
  const nn::Posterior posterior =
      m_model.vae.model->encode(pixels.to(weights.device(), weights.dtype()));
  const auto kept = [](const at::Tensor& t) { return t[0].to(at::kCPU, at::kFloat).contiguous(); };
  Latents latents{
      kept(posterior.mean), kept(posterior.std), mirrored ? read->mirroredSize : read->size};
  if (auto finite = checked(latents, picture); !finite) return finite;
  if (auto made = base::makeFolder(m_folder); !made) return api::fail(made.error());
  const at::Tensor size = at::tensor(at::IntArrayRef(latents.size.numbers()), at::kLong);
  auto saved = tensor::saveSafetensors(
      file, {{"mean", latents.mean}, {"std", latents.std}, {"size", size}}, {{"format", "pt"}});
  if (!saved) return api::fail(saved.error());
  return latents;
}

api::Result<LatentSet> LatentCache::getAll(std::vector<TrainingPicture> pictures,
                                           bool mirrored,
                                           api::Stage stage,
                                           base::Reporter& reporter) const {
  LatentSet set;
  std::int64_t done = 0;
  const auto total = static_cast<std::int64_t>(pictures.size());
  for (const TrainingPicture& picture : pictures) {
    if (reporter.stop().stop_requested()) break;
    reporter.progress({stage, done++, total, 0, 0});
    auto plain = get(picture, false);
    if (!plain) return api::fail(plain.error());
    set.plain.push_back(std::move(*plain));
    if (!mirrored) continue;
    auto flipped = get(picture, true);
    if (!flipped) return api::fail(flipped.error());
    set.mirrored.push_back(std::move(*flipped));
  }
  reporter.progress({stage, done, total, 0, 0});
  set.pictures = std::move(pictures);
  return set;
}

}  // namespace likeness::data

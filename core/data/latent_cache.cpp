// Latents on disk, keyed by everything they depend on.
#include "core/data/latent_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
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
                    {"fix", "Leave that picture out, or choose another autoencoder (--vae)"}});
}

}  // namespace

const Latents& LatentSet::latents(const Draw& draw) const {
  return (draw.flip ? mirrored
                    : plain)[static_cast<std::size_t>(draw.picture * versions + draw.version)];
}

const std::string& LatentSet::prompt(const Draw& draw) const {
  return pictures[static_cast<std::size_t>(draw.picture)]
      .prompts[static_cast<std::size_t>(draw.prompt)];
}

image::Shape shapeOf(const LatentSet& set, std::size_t picture) {
  const nn::PictureSize& size = set.plain[picture * static_cast<std::size_t>(set.versions)].size;
  return {static_cast<int>(size.targetWidth), static_cast<int>(size.targetHeight)};
}

std::vector<image::Shape> shapesOf(const LatentSet& set) {
  std::vector<image::Shape> shapes;
  for (std::size_t i = 0; i < set.pictures.size(); ++i) {
    const image::Shape shape = shapeOf(set, i);
    if (std::ranges::find(shapes, shape) == shapes.end()) shapes.push_back(shape);
  }
  return shapes;
}

LatentCache::LatentCache(std::filesystem::path folder, const nn::StableDiffusion& model)
    : m_folder(std::move(folder)), m_model(model) {}

std::filesystem::path LatentCache::fileOf(const TrainingPicture& picture, const View& view) const {
  const api::CropRect crop = picture.crop.value_or(api::CropRect{});
  std::string key = "latents 1\n" + picture.contentHash + "\n" + m_model.weightHash + "\n" +
                    std::to_string(view.width) + "\n" + (view.mirrored ? "mirrored" : "plain") +
                    "\n";
  if (picture.crop)
    key += text(crop.x) + " " + text(crop.y) + " " + text(crop.width) + " " + text(crop.height);
  // Only where they are asked for: latents made before these options existed keep their key.
  if (view.height != view.width) key += "\nheight " + std::to_string(view.height);
  if (view.bucketStep > 0) key += "\nbuckets " + std::to_string(view.bucketStep);
  if (view.jitters())
    key += "\njitter " + text(view.cropJitter) + " " + text(view.colorJitter) + " " +
           std::to_string(view.seed) + " " + std::to_string(view.copy);
  if (picture.mask)
    key += "\nmask " + picture.mask->contentHash +
           (picture.mask->file == picture.file ? " opacity" : "");
  return m_folder / (base::sha256(key).substr(0, 32) + ".safetensors");
}

bool LatentCache::fits(const tensor::StateDict& cached,
                       const TrainingPicture& picture,
                       const View& view) const {
  const auto holds = [&](const char* name, at::ScalarType dtype, at::IntArrayRef shape) {
    const auto found = cached.find(name);
    return found != cached.end() && found->second.scalar_type() == dtype &&
           found->second.sizes() == shape;
  };
  if (!holds("size", at::kLong, {kSizeNumbers})) return false;
  const nn::PictureSize size = sizeFrom(cached.at("size"));
  if (view.bucketStep == 0 && (size.targetWidth != view.width || size.targetHeight != view.height))
    return false;
  const auto& config = m_model.vae.model->config();
  const std::int64_t h = size.targetHeight / config.factor(),
                     w = size.targetWidth / config.factor();
  const std::vector<std::int64_t> shape{config.latentChannels, h, w};
  return cached.size() == (picture.mask ? 4U : 3U) && holds("mean", at::kFloat, shape) &&
         holds("std", at::kFloat, shape) && (!picture.mask || holds("mask", at::kFloat, {1, h, w}));
}

api::Result<Latents> LatentCache::get(const TrainingPicture& picture, const View& view) const {
  const auto file = fileOf(picture, view);
  if (auto cached = tensor::loadSafetensors(file); cached && fits(*cached, picture, view))
    return checked(Latents{cached->at("mean"),
                           cached->at("std"),
                           sizeFrom(cached->at("size")),
                           picture.mask ? cached->at("mask") : at::Tensor()},
                   picture);

  auto read = readPicture(picture, view, static_cast<int>(m_model.vae.model->config().factor()));
  if (!read) return api::fail(read.error());
  const at::NoGradGuard noGradients;
  at::Tensor pixels = tensor::toTensor(read->image);
  if (view.mirrored) pixels = at::flip(pixels, {3});
  const nn::ParameterStore& weights = *m_model.vae.store;
  const nn::Posterior posterior =
      m_model.vae.model->encode(pixels.to(weights.device(), weights.dtype()));
  const auto kept = [](const at::Tensor& t) { return t[0].to(at::kCPU, at::kFloat).contiguous(); };
  Latents latents{kept(posterior.mean), kept(posterior.std), read->size, {}};
  if (auto finite = checked(latents, picture); !finite) return finite;
  const at::Tensor size = at::tensor(at::IntArrayRef(latents.size.numbers()), at::kLong);
  tensor::StateDict saving{{"mean", latents.mean}, {"std", latents.std}, {"size", size}};
  if (picture.mask) {
    latents.mask = at::tensor(at::ArrayRef<float>(read->mask), at::kFloat)
                       .view({1, latents.mean.size(1), latents.mean.size(2)});
    if (view.mirrored) latents.mask = at::flip(latents.mask, {2});
    saving.emplace("mask", latents.mask);
  }
  if (auto made = base::makeFolder(m_folder); !made) return api::fail(made.error());
  auto saved = tensor::saveSafetensors(file, saving, {{"format", "pt"}});
  if (!saved) return api::fail(saved.error());
  return latents;
}

api::Result<LatentSet> LatentCache::getAll(std::vector<TrainingPicture> pictures,
                                           const std::vector<View>& views,
                                           bool mirrored,
                                           api::Stage stage,
                                           base::Reporter& reporter) const {
  LatentSet set;
  set.versions = static_cast<std::int64_t>(views.size());
  std::int64_t done = 0;
  const auto total = static_cast<std::int64_t>(pictures.size() * views.size());
  for (const TrainingPicture& picture : pictures) {
    for (View view : views) {
      if (reporter.stop().stop_requested()) break;
      reporter.progress({stage, done++, total, 0, 0});
      for (const bool flipped : {false, true}) {
        if (flipped && !mirrored) continue;
        view.mirrored = flipped;
        auto latents = get(picture, view);
        if (!latents) return api::fail(latents.error());
        (flipped ? set.mirrored : set.plain).push_back(std::move(*latents));
      }
    }
  }
  reporter.progress({stage, done, total, 0, 0});
  set.pictures = std::move(pictures);
  return set;
}

}  // namespace likeness::data

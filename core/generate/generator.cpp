// The sampling loop, on live weights, without gradients.
#include "core/generate/generator.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/guidance.h"
#include "core/diffusion/sampler.h"
#include "core/nn/tiled_autoencoder.h"
#include "core/tensor/pixels.h"
#include "core/tensor/random_tensor.h"

namespace likeness::generate {
namespace {

constexpr std::size_t kPromptsKept = 32;
constexpr std::int64_t kPixelsPerDecode = 512 * 512;

/// One tensor of standard noise per seed, stacked. `step` 0 with InitialLatents is the start.
at::Tensor noiseOf(const std::vector<std::int64_t>& seeds,
                   base::Purpose purpose,
                   std::int64_t step,
                   std::int64_t pass,
                   at::IntArrayRef shape,
                   const at::Device& device) {
  std::vector<at::Tensor> pictures;
  for (const std::int64_t seed : seeds) {
    const base::Random random(static_cast<std::uint64_t>(seed),
                              purpose,
                              static_cast<std::uint64_t>(step),
                              static_cast<std::uint64_t>(pass));
    pictures.push_back(tensor::normal(shape, random));
  }
  return at::stack(pictures).to(device);
}

Words wordsOf(const Job& job, std::int64_t picture) {
  if (job.words.empty()) return {job.prompt, job.negativePrompt};
  return job.words[static_cast<std::size_t>(picture)];
}

/// As diffusers counts the steps of a strength, but at least one is made.
std::int64_t stepsSkipped(std::int64_t steps, double strength) {
  const auto made = static_cast<std::int64_t>(static_cast<double>(steps) * strength);
  return steps - std::clamp<std::int64_t>(made, 1, steps);
}

}  // namespace

Generator::Generator(const nn::StableDiffusion& model,
                     std::int64_t maxBatch,
                     std::optional<at::ScalarType> dtype)
    : m_model(model),
      m_maxBatch(std::max<std::int64_t>(1, maxBatch)),
      m_dtype(dtype.value_or(model.unet.store->dtype())) {}

void Generator::invalidate() { m_encoded.clear(); }

std::vector<Generator::Batch> Generator::batchesOf(const Job& job) const {
  std::map<std::string, std::int64_t> counted;
  const auto chunksOf = [&](const std::string& prompt) {
    auto& chunks = counted[prompt];
    if (chunks == 0)
      chunks =
          static_cast<std::int64_t>(nn::promptTokens(m_model, prompt, job.syntax).chunks.size());
    return chunks;
  };
  const bool guided = diffusion::isGuided(job.sampling.guidance);
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(job.seeds.size()); ++i) {
    const Words words = wordsOf(job, i);
    const std::int64_t chunks =
        std::max(chunksOf(words.prompt), guided ? chunksOf(words.negativePrompt) : 1);
    if (batches.empty() || batches.back().count == m_maxBatch || batches.back().chunks != chunks)
      batches.push_back({i, 0, chunks});
    ++batches.back().count;
  }
  return batches;
}

nn::Conditioning Generator::encode(const std::string& prompt, const Job& job, std::int64_t chunks) {
  const Encoded key{prompt, job.syntax, job.sampling.clipSkip, chunks};
  if (const auto known = m_encoded.find(key); known != m_encoded.end()) return known->second;
  if (m_encoded.size() >= kPromptsKept) m_encoded.clear();
  return m_encoded[key] =
             nn::encodePrompt(m_model, prompt, job.syntax, {{}, job.sampling.clipSkip}, chunks)
                 .to(m_dtype);
}

nn::Conditioning Generator::encodeBatch(const Job& job, const Batch& batch) {
  const bool zeros = m_model.isXl() && m_model.files.zerosForEmptyPrompt;
  std::vector<nn::Conditioning> rows;
  const auto add = [&](std::string Words::*words, bool zeroWhenEmpty) {
    for (std::int64_t i = batch.first; i < batch.first + batch.count; ++i) {
      const std::string prompt = wordsOf(job, i).*words;
      rows.push_back(encode(prompt, job, batch.chunks));
      if (zeroWhenEmpty && prompt.empty()) rows.back() = rows.back().withoutText();
    }
  };
  if (diffusion::isGuided(job.sampling.guidance)) add(&Words::negativePrompt, zeros);
  add(&Words::prompt, false);
  return nn::joined(rows);
}

Generator::Given Generator::givenOf(const Job& job,
                                    const Batch& batch,
                                    at::IntArrayRef shape) const {
  const nn::AutoencoderKL& vae = *m_model.vae.model;
  const nn::ParameterStore& weights = *m_model.vae.store;
  const auto encode = [&](const at::Tensor& pixels) {
    // The mean: the deviation is far below what anyone sees.
    const at::Tensor latents =
        nn::encodePictures(vae, pixels.to(weights.device(), weights.dtype()));
    return latents.to(at::kFloat) * vae.config().scalingFactor;
  };
  const auto own = [&](const at::Tensor& rows) {
    return rows.size(0) == 1 ? rows : rows.narrow(0, batch.first, batch.count);
  };
  const std::int64_t height = shape[1], width = shape[2];
  Given given;
  if (job.start.pixels.defined())
    given.clean = encode(own(job.start.pixels)).expand({batch.count, -1, -1, -1});
  // As diffusers: the latent's mask is that of its first pixel.
  if (job.start.mask.defined())
    given.mask = at::upsample_nearest2d(job.start.mask, {height, width}).to(weights.device());
  if (m_model.unet.model->config().inChannels == vae.config().latentChannels) return given;

  // Without a picture an inpainting UNet is shown a grey one, all of which is drawn anew.
  const std::int64_t factor = vae.config().factor();
  const at::Tensor mask =
      given.mask.defined() ? given.mask : at::ones({1, 1, height, width}, weights.device());
  const at::Tensor kept =
      job.start.mask.defined()
          ? own(job.start.pixels) * (1 - job.start.mask)
          : at::zeros({1, vae.config().inChannels, height * factor, width * factor});
  given.further = at::cat(
      {mask.expand({batch.count, -1, -1, -1}), encode(kept).expand({batch.count, -1, -1, -1})}, 1);
  return given;
}

api::Result<at::Tensor> Generator::latents(const Job& job,
                                           const Callbacks& callbacks,
                                           std::stop_token stop) {
  const at::NoGradGuard noGradients;
  if (const auto layers = m_model.textEncoder.model->config().numHiddenLayers;
      job.sampling.clipSkip > layers)
    return api::fail(api::ErrorCode::BadCombination,
                     {{"key", "clipSkip"},
                      {"reason", "The text encoder has " + std::to_string(layers) + " layers"},
                      {"fix", "Set clip skip to 1, or 2 where the model asks for it"}});
  const std::vector<Batch> batches = batchesOf(job);
  std::vector<at::Tensor> made;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    auto batch = sampleBatch(job, batches, i, callbacks, stop);
    if (!batch || !batch->defined()) return batch;
    if (callbacks.onBatch) callbacks.onBatch(batches[i].first, *batch);
    made.push_back(std::move(*batch));
  }
  return at::cat(made);
}

api::Result<at::Tensor> Generator::sampleBatch(const Job& job,
                                               const std::vector<Batch>& batches,
                                               std::size_t index,
                                               const Callbacks& callbacks,
                                               std::stop_token stop) {
  const std::int64_t first = batches[index].first, count = batches[index].count;
  const at::Device device = m_model.unet.store->device();
  const std::int64_t factor = m_model.vae.model->config().factor();
  const auto side = [&](std::int64_t pixels) { return pixels > 0 ? pixels : m_model.resolution(); };
  const auto size = nn::PictureSize::uncut(side(job.height), side(job.width));
  const std::vector<std::int64_t> shape = {m_model.vae.model->config().latentChannels,
                                           size.targetHeight / factor,
                                           size.targetWidth / factor};
  const std::vector<std::int64_t> seeds(job.seeds.begin() + first,
                                        job.seeds.begin() + first + count);

  const double guidance = job.sampling.guidance;
  const nn::Conditioning text = encodeBatch(job, batches[index]);
  const std::vector sizes(static_cast<std::size_t>(text.context.size(0)), size);
  const nn::TextContext context(text.withSizes(sizes), true);

  nn::NoiseScheduleConfig schedule = m_model.schedule;
  if (job.sampling.zeroSnr != api::ZeroSnr::Auto)
    schedule.rescaleBetasZeroSnr = job.sampling.zeroSnr == api::ZeroSnr::On;
  if (schedule.rescaleBetasZeroSnr && schedule.predictionType == nn::PredictionType::Epsilon)
    return api::fail(
        api::ErrorCode::BadCombination,
        {{"key", "zeroSnr"},
         {"reason", "This model predicts noise, which pure noise tells nothing about"},
         {"fix", "Set zero SNR to auto, or use a model that predicts velocity or the picture"}});
  const auto sampler = diffusion::makeSampler(diffusion::NoiseSchedule(schedule), job.sampling);
  const std::int64_t steps = sampler->steps();
  const at::Tensor noise =
      job.initialLatents.defined()
          ? job.initialLatents.narrow(0, first, count).to(device, at::kFloat)
          : noiseOf(seeds, base::Purpose::InitialLatents, 0, job.pass, shape, device);
  if (stop.stop_requested()) return at::Tensor();
  const Given given = givenOf(job, batches[index], shape);
  const std::int64_t skipped = given.clean.defined() ? stepsSkipped(steps, job.start.strength) : 0;
  const std::int64_t begin = sampler->evaluationOf(skipped);
  // Where everything under a mask is new, nothing of what was there shines through the noise.
  const bool fromNoise = !given.clean.defined() || (given.mask.defined() && skipped == 0);
  at::Tensor x =
      fromNoise ? noise * sampler->initNoiseSigma() : sampler->noisy(given.clean, noise, begin);
  for (std::int64_t i = begin, done = skipped; i < sampler->evaluations(); ++i) {
    if (stop.stop_requested()) return at::Tensor();
    const at::Tensor scaled = sampler->scaleModelInput(x, i);
    const at::Tensor out =
        diffusion::predict(*m_model.unet.model,
                           given.further.defined() ? at::cat({scaled, given.further}, 1) : scaled,
                           sampler->timestep(i),
                           context,
                           guidance,
                           m_dtype,
                           job.sampling.guidanceRescale);
    // Samplers that ask twice a step report and show the second answer.
    const bool stepEnds = sampler->stepsDone(i) > done;
    done = sampler->stepsDone(i);
    if (stepEnds && callbacks.onPreview && callbacks.previewEvery > 0 &&
        done % callbacks.previewEvery == 0 && done < steps) {
      callbacks.onPreview(done, first, sampler->denoised(out, x, i));
    }
    x = sampler->step(out, x, i, [&] {
      return noiseOf(seeds, base::Purpose::SamplerNoise, i, job.pass, shape, device);
    });
    if (given.mask.defined() && !given.further.defined())
      x = given.mask * x + (1 - given.mask) * sampler->noisy(given.clean, noise, i + 1);
    if (!std::isfinite(x.sum().item<double>())) {
      return api::fail(
          api::ErrorCode::NonFinite,
          {{"what", "The picture"}, {"step", std::to_string(std::max<std::int64_t>(1, done))}});
    }
    if (stepEnds && callbacks.onStep)
      callbacks.onStep(static_cast<std::int64_t>(index) * (steps - skipped) + done - skipped,
                       static_cast<std::int64_t>(batches.size()) * (steps - skipped));
  }
  return x;
}

std::vector<api::Image> Generator::decode(const at::Tensor& latents) const {
  const at::NoGradGuard noGradients;
  const std::int64_t factor = m_model.vae.model->config().factor();
  const std::int64_t pixels = latents.size(2) * latents.size(3) * factor * factor;
  const std::int64_t slice = std::max<std::int64_t>(1, kPixelsPerDecode / pixels);
  std::vector<api::Image> pictures;
  for (const at::Tensor& part : latents.to(m_dtype).split(slice)) {
    for (const at::Tensor& picture : nn::decodePictures(*m_model.vae.model, part).unbind()) {
      pictures.push_back(tensor::toImage(picture));
    }
  }
  return pictures;
}

}  // namespace likeness::generate

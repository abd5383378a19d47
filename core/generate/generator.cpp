// The sampling loop, on live weights, without gradients.
#include "core/generate/generator.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/guidance.h"
#include "core/diffusion/sampler.h"
#include "core/tensor/pixels.h"
#include "core/tensor/random_tensor.h"

namespace likeness::generate {
namespace {

constexpr std::size_t kPromptsKept = 32;
constexpr std::int64_t kPixelsPerDecode = 512 * 512;

at::Device deviceOf(const nn::StableDiffusion& model) {
  return model.unet.store->parameters().begin()->second.device();
}

/// One tensor of standard noise per seed, stacked. `step` 0 with InitialLatents is the start.
at::Tensor noiseOf(const std::vector<std::int64_t>& seeds,
                   base::Purpose purpose,
                   std::int64_t step,
                   at::IntArrayRef shape,
                   const at::Device& device) {
  std::vector<at::Tensor> pictures;
  for (const std::int64_t seed : seeds) {
    const base::Random random(
        static_cast<std::uint64_t>(seed), purpose, static_cast<std::uint64_t>(step));
    pictures.push_back(tensor::normal(shape, random));
  }
  return at::stack(pictures).to(device);
}

}  // namespace

Generator::Generator(const nn::StableDiffusion& model,
                     std::int64_t maxBatch,
                     std::optional<at::ScalarType> dtype)
    : m_model(model),
      m_maxBatch(std::max<std::int64_t>(1, maxBatch)),
      m_dtype(dtype.value_or(model.unet.store->parameters().begin()->second.scalar_type())) {}

void Generator::invalidate() { m_encoded.clear(); }

at::Tensor Generator::encode(const std::string& prompt) {
  if (const auto known = m_encoded.find(prompt); known != m_encoded.end()) return known->second;
  if (m_encoded.size() >= kPromptsKept) m_encoded.clear();
  return m_encoded[prompt] =
             m_model.textEncoder.model->forward(nn::tokenIds(m_model, {prompt})).to(m_dtype);
}

api::Result<at::Tensor> Generator::latents(const Job& job,
                                           const Callbacks& callbacks,
                                           std::stop_token stop) {
  const at::NoGradGuard noGradients;
  const auto count = static_cast<std::int64_t>(job.seeds.size());
  std::vector<at::Tensor> batches;
  for (std::int64_t first = 0; first < count; first += m_maxBatch) {
    auto batch = sampleBatch(job, first, std::min(m_maxBatch, count - first), callbacks, stop);
    if (!batch || !batch->defined()) return batch;
    if (callbacks.onBatch) callbacks.onBatch(first, *batch);
    batches.push_back(std::move(*batch));
  }
  return at::cat(batches);
}

api::Result<at::Tensor> Generator::sampleBatch(const Job& job,
                                               std::int64_t first,
                                               std::int64_t count,
                                               const Callbacks& callbacks,
                                               std::stop_token stop) {
  const auto device = deviceOf(m_model);
  const std::int64_t factor = m_model.vae.model->config().factor();
  const auto latentSide = [&](std::int64_t pixels) {
    return (pixels > 0 ? pixels : m_model.resolution()) / factor;
  };
  const std::vector<std::int64_t> shape = {
      m_model.unet.model->config().inChannels, latentSide(job.height), latentSide(job.width)};
  const std::vector<std::int64_t> seeds(job.seeds.begin() + first,
                                        job.seeds.begin() + first + count);

  const double guidance = job.sampling.guidance;
  const auto repeated = [&](const std::string& prompt) {
    return encode(prompt).expand({count, -1, -1});
  };
  const nn::TextContext context(diffusion::isGuided(guidance)
                                    ? at::cat({repeated(job.negativePrompt), repeated(job.prompt)})
                                    : repeated(job.prompt),
                                true);

  nn::NoiseScheduleConfig schedule = m_model.schedule;
  if (job.sampling.zeroSnr != api::ZeroSnr::Auto)
    schedule.rescaleBetasZeroSnr = job.sampling.zeroSnr == api::ZeroSnr::On;
  if (schedule.rescaleBetasZeroSnr && schedule.predictionType == nn::PredictionType::Epsilon)
    return api::fail(api::ErrorCode::BadCombination,
                     {{"key", "zeroSnr"},
                      {"reason", "This model predicts noise, which pure noise tells nothing about"},
                      {"fix", "Set zero SNR to auto, or use a model that predicts velocity"}});
  const auto sampler = diffusion::makeSampler(diffusion::NoiseSchedule(schedule), job.sampling);
  const std::int64_t steps = sampler->steps();
  const auto total = static_cast<std::int64_t>(job.seeds.size());
  const std::int64_t batchIndex = first / m_maxBatch,
                     batchCount = (total + m_maxBatch - 1) / m_maxBatch;
  at::Tensor x = job.initialLatents.defined()
                     ? job.initialLatents.narrow(0, first, count).to(device, at::kFloat)
                     : noiseOf(seeds, base::Purpose::InitialLatents, 0, shape, device);
  x = x * sampler->initNoiseSigma();
  for (std::int64_t i = 0, done = 0; i < sampler->evaluations(); ++i) {
    if (stop.stop_requested()) return at::Tensor();
    const at::Tensor out = diffusion::predict(*m_model.unet.model,
                                              sampler->scaleModelInput(x, i),
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
    x = sampler->step(
        out, x, i, [&] { return noiseOf(seeds, base::Purpose::SamplerNoise, i, shape, device); });
    if (!std::isfinite(x.sum().item<double>())) {
      return api::fail(
          api::ErrorCode::NonFinite,
          {{"what", "The picture"}, {"step", std::to_string(std::max<std::int64_t>(1, done))}});
    }
    if (stepEnds && callbacks.onStep)
      callbacks.onStep(batchIndex * steps + done, batchCount * steps);
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
    for (const at::Tensor& picture : m_model.vae.model->decode(part).unbind()) {
      pictures.push_back(tensor::toImage(picture));
    }
  }
  return pictures;
}

}  // namespace likeness::generate

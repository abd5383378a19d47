// Prompt -> pictures. Runs on the compute thread, between training steps too.
#pragma once

#include <functional>
#include <stop_token>

#include "core/api/requests.h"
#include "core/api/image.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::generate {

/// One batch to make; prompts are rendered (no placeholders).
struct Job {
  std::string prompt, negativePrompt;
  api::SamplingOptions sampling;
  std::vector<std::int64_t> seeds;  ///< one picture each; noise of a picture depends on its seed alone
  std::int64_t width = 0, height = 0;
  at::Tensor initialLatents;        ///< [N, 4, h, w] standard noise; undefined = drawn from the seeds
};
struct Callbacks {
  std::function<void(std::int64_t step, std::int64_t steps)> onStep;
  /// Denoised latents so far, [N, 4, h, w] fp32; called every `previewEvery` steps.
  std::function<void(std::int64_t step, const at::Tensor& x0)> onPreview;
  std::int64_t previewEvery = 0;
};

/// Encodes prompts and keeps the last ones; makes latents, decodes pictures. Guidance by one batched forward over
/// [uncond, cond] (none at guidance 1). Batches of at most `maxBatch` pictures.
class Generator {
 public:
  explicit Generator(const nn::StableDiffusion& model, std::int64_t maxBatch = 8);
  /// Latents as the UNet sees them [N, 4, h, w]. A stop request returns what ErrorCode-free callers treat as cancelled: an undefined tensor.
  at::Tensor latents(const Job& job, const Callbacks& callbacks, std::stop_token stop);
  /// [N, 4, h, w] -> N pictures.
  std::vector<api::Image> decode(const at::Tensor& latents) const;
  /// Weights changed (training went on): forget encoded prompts.
  void invalidate();

 private:
  at::Tensor encode(const std::string& prompt);
  const nn::StableDiffusion& m_model;
  std::int64_t m_maxBatch;
  std::map<std::string, at::Tensor> m_encoded;
};

/// N pictures side by side in near-square rows with a 4 px gap.
api::Image contactSheet(const std::vector<api::Image>& pictures, int columns = 0);

}  // namespace likeness::generate

// Prompt -> pictures. Runs on the compute thread, between training steps too.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/api/image.h"
#include "core/api/requests.h"
#include "core/nn/encode_text.h"

namespace likeness::generate {

/// What one picture shows, and what not; rendered (no placeholders, no alternatives).
struct Words {
  std::string prompt, negativePrompt;
  bool operator==(const Words&) const = default;
};
/// A picture to begin with in place of noise alone, height and width those of the job.
struct StartPicture {
  at::Tensor pixels;    ///< [1 or one per picture, 3, H, W] in [-1, 1]; undefined = none
  at::Tensor mask;      ///< [1, 1, H, W]: 1 is drawn anew, 0 kept; undefined = all of it
  double strength = 1;  ///< the part of the sampler's steps that are made, the last ones
};
/// Pictures to make.
struct Job {
  std::string prompt, negativePrompt;  ///< as Words
  api::SamplingOptions sampling;
  std::vector<std::int64_t>
      seeds;  ///< one picture each; noise of a picture depends on its seed alone
  std::int64_t width = 0, height = 0;  ///< pixels; 0 = what the model was made for
  at::Tensor initialLatents;  ///< [N, 4, h, w] standard noise; undefined = drawn from the seeds
  api::PromptSyntax syntax = api::PromptSyntax::A1111;
  std::vector<Words> words = {};  ///< of each picture; empty = `prompt`, `negativePrompt` for all
  StartPicture start = {};
  std::int64_t pass = 0;  ///< over the same picture; each has its own noise
};
struct Callbacks {
  /// After each sampler step, over all batches: `step` of `steps`.
  std::function<void(std::int64_t step, std::int64_t steps)> onStep;
  /// The finished latents as the network sees them so far, [n, 4, h, w] fp32, of pictures first ..
  /// first + n - 1, after every `previewEvery` steps of a batch except its last.
  std::function<void(std::int64_t step, std::int64_t first, const at::Tensor& x0)> onPreview;
  std::int64_t previewEvery = 0;
  /// A batch is done: its latents [n, 4, h, w], of pictures first .. first + n - 1.
  std::function<void(std::int64_t first, const at::Tensor& latents)> onBatch;
};

/// Encodes prompts and keeps the last ones; makes latents, decodes pictures. Guidance by one
/// batched forward over [uncond, cond] (none at guidance 1). Batches of at most `maxBatch`
/// pictures, whose prompts have equally many chunks: of prompt and negative prompt the shorter is
/// filled up with encoded empty chunks, but never for the sake of another picture. Never records
/// gradients, so it can be called on weights that are being trained.
class Generator {
 public:
  /// `dtype` of the computation (UNet and autoencoder); absent = that of the UNet's parameters. The
  /// model must outlive the generator.
  explicit Generator(const nn::StableDiffusion& model,
                     std::int64_t maxBatch = 8,
                     std::optional<at::ScalarType> dtype = {});
  /// Latents as the UNet sees them, [N, 4, h, w] fp32. A stop request, looked at before every
  /// evaluation of the network, returns an undefined tensor. Pictures do not depend on the batch
  /// they were made in, up to the last bits of matrix products (at most 1 of 255 per pixel in
  /// fp32). Errors: NonFinite; BadCombination when zero SNR is asked of a model that predicts
  /// noise, or a clip skip of a text encoder with fewer layers.
  api::Result<at::Tensor> latents(const Job& job,
                                  const Callbacks& callbacks = {},
                                  std::stop_token stop = {});
  /// [N, 4, h, w] -> N pictures, decoded in slices that keep memory flat.
  std::vector<api::Image> decode(const at::Tensor& latents) const;
  /// Weights changed (training went on): forget encoded prompts.
  void invalidate();

 private:
  /// Pictures first .. first + count - 1, each with `chunks` chunks.
  struct Batch {
    std::int64_t first, count, chunks;
  };
  struct Encoded {
    std::string prompt;
    api::PromptSyntax syntax;
    std::int64_t clipSkip, chunks;
    auto operator<=>(const Encoded&) const = default;
  };
  /// What a batch begins from, as latents; undefined where there is none.
  struct Given {
    at::Tensor clean;    ///< [n, 4, h, w]
    at::Tensor mask;     ///< [1, 1, h, w]
    at::Tensor further;  ///< [n, 5, h, w]: what an inpainting UNet sees beside the noisy latents
  };
  std::vector<Batch> batchesOf(const Job& job) const;
  Given givenOf(const Job& job, const Batch& batch, at::IntArrayRef shape) const;
  /// One row of at least `chunks` chunks.
  nn::Conditioning encode(const std::string& prompt, const Job& job, std::int64_t chunks);
  /// [uncond, cond] of a batch when guided, else [cond].
  nn::Conditioning encodeBatch(const Job& job, const Batch& batch);
  api::Result<at::Tensor> sampleBatch(const Job& job,
                                      const std::vector<Batch>& batches,
                                      std::size_t index,
                                      const Callbacks& callbacks,
                                      std::stop_token stop);
  const nn::StableDiffusion& m_model;
  std::int64_t m_maxBatch;
  at::ScalarType m_dtype;
  std::map<Encoded, nn::Conditioning> m_encoded;
};

/// The most pictures, up to `wanted`, whose batch fits into `availableMiB` (an estimate from the
/// widths of UNet and autoencoder). Errors: NotEnoughMemory when not even one does.
api::Result<std::int64_t> fittingBatch(const nn::StableDiffusion& model,
                                       std::int64_t wanted,
                                       std::int64_t width,
                                       std::int64_t height,
                                       at::ScalarType dtype,
                                       std::int64_t availableMiB);

/// N pictures of one size side by side in near-square rows with a 4 px white gap; `columns` 0
/// chooses.
api::Image contactSheet(const std::vector<api::Image>& pictures, int columns = 0);

}  // namespace likeness::generate

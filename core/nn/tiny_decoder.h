// TAESD's decoder (Ollin Boer Bohan, diffusers' AutoencoderTiny): latents to a picture that is good
// enough to watch, in a small part of the autoencoder's time.
#pragma once

#include <filesystem>
#include <memory>

#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

class TinyDecoder {
 public:
  /// Keys "layers.N" as diffusers numbers them.
  TinyDecoder(const Weights& weights, std::int64_t latentChannels, std::int64_t channels);
  ~TinyDecoder();
  /// latents [N, latentChannels, h, w] as the UNet sees them -> [N, 3, 8 h, 8 w], in [-1, 1] but
  /// for overshoots, in their dtype.
  at::Tensor decode(const at::Tensor& latents) const;

 private:
  struct Parts;
  std::unique_ptr<const Parts> m_parts;
};

/// A file with diffusers' names, or with those of taesd_decoder.safetensors. Errors: those of
/// loadSafetensors; ModelMismatch.
api::Result<Network<TinyDecoder>> loadTinyDecoder(const std::filesystem::path& file,
                                                  std::int64_t latentChannels,
                                                  at::ScalarType dtype,
                                                  at::Device device);

/// taesd_decoder.safetensors for Stable Diffusion 1 and 2, taesdxl_decoder.safetensors for XL: in
/// the model's folder or beside the model; else in $XDG_DATA_HOME/likeness or
/// ~/.local/share/likeness, for models with an autoencoder of the published shape alone. Empty when
/// there is none.
std::filesystem::path findTinyDecoder(const weights::StoredModel& model);

}  // namespace likeness::nn

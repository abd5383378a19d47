// A whole Stable Diffusion model of a few thousand random parameters, and photos for it: made by
// the test that needs them, with the product's own writer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace likeness::support {

/// Shapes of the families, small: which blocks attend, heads, projections, text encoders.
enum class TinyFamily { StableDiffusion1, StableDiffusion2, StableDiffusionXl };
struct TinyModelOptions {
  std::uint64_t seed = 1;
  bool vPrediction = false;
  TinyFamily family = TinyFamily::StableDiffusion1;
};
/// A diffusers folder in fp32: 16 px pictures, latents of 8 x 8, the starter's tokenizer.
/// Parameters are drawn by key, so equal options make equal files. Returns `folder`.
std::filesystem::path makeTinyModel(const std::filesystem::path& folder,
                                    const TinyModelOptions& options = {});
/// `count` different colour gradients, 24 x 20 px, as PNG files 00.png ...
std::vector<std::filesystem::path> makePhotos(const std::filesystem::path& folder, int count);

}  // namespace likeness::support

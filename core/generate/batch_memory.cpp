// How many pictures fit into memory at once.
#include <algorithm>
#include <cmath>

#include "core/generate/generator.h"
#include "core/nn/tiled_autoencoder.h"

namespace likeness::generate {
namespace {

/// Feature maps of the widest level that live at the same time: skips, one block's intermediates,
/// its attention.
constexpr double kUnetMaps = 30, kVaeMaps = 6;
constexpr double kMiB = 1 << 20;

}  // namespace

api::Result<std::int64_t> fittingBatch(const nn::StableDiffusion& model,
                                       std::int64_t wanted,
                                       std::int64_t width,
                                       std::int64_t height,
                                       at::ScalarType dtype,
                                       std::int64_t availableMiB) {
  const auto& unetWidths = model.unet.model->config().blockOutChannels;
  const auto& vaeWidths = model.vae.model->config().blockOutChannels;
  const auto bytes = static_cast<double>(c10::elementSize(dtype));
  const auto factor = static_cast<double>(model.vae.model->config().factor());
  // Both halves of guidance pass the UNet; the autoencoder is widest at full size, one picture (or
  // tile of it) at a time.
  const auto needed = [&](std::int64_t batch, double pixels) {
    const double sampling = static_cast<double>(batch) * 2 * pixels / (factor * factor) *
                            static_cast<double>(unetWidths.front()) * bytes * kUnetMaps;
    const double decoding =
        std::min(pixels, static_cast<double>(nn::kTiledAbove)) *
        static_cast<double>(vaeWidths[std::min<std::size_t>(1, vaeWidths.size() - 1)]) * bytes *
        kVaeMaps;
    return static_cast<std::int64_t>(std::ceil(std::max(sampling, decoding) / kMiB));
  };
  const auto pixels = static_cast<double>(width * height);
  std::int64_t batch = std::max<std::int64_t>(1, wanted);
  while (batch > 1 && needed(batch, pixels) > availableMiB) --batch;
  if (needed(batch, pixels) <= availableMiB) return batch;
  std::vector<std::pair<std::string, std::string>> context = {
      {"needed", std::to_string(needed(1, pixels))}, {"available", std::to_string(availableMiB)}};
  auto side = static_cast<std::int64_t>(std::sqrt(pixels)) / 64 * 64;
  while (side > 0 && needed(1, static_cast<double>(side * side)) > availableMiB) side -= 64;
  if (side > 0)
    context.emplace_back(
        "fits", "Pictures of " + std::to_string(side) + "x" + std::to_string(side) + " would fit");
  return api::fail(api::ErrorCode::NotEnoughMemory, std::move(context));
}

}  // namespace likeness::generate

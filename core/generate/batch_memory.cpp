// How many pictures fit into memory at once.
#include <algorithm>
#include <cmath>

#include "core/generate/generator.h"

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
  const auto pixels = static_cast<double>(width * height);
  const auto factor = static_cast<double>(model.vae.model->config().factor());
  // Both halves of guidance pass the UNet; the autoencoder is widest at full size, one picture at a
  // time.
  const double perPicture =
      2 * pixels / (factor * factor) * static_cast<double>(unetWidths.front()) * bytes * kUnetMaps;
  const double decoding =
      pixels * static_cast<double>(vaeWidths[std::min<std::size_t>(1, vaeWidths.size() - 1)]) *
      bytes * kVaeMaps;
  const auto needed = [&](std::int64_t batch) {
    return static_cast<std::int64_t>(
        std::ceil(std::max(static_cast<double>(batch) * perPicture, decoding) / kMiB));
  };
  std::int64_t batch = std::max<std::int64_t>(1, wanted);
  while (batch > 1 && needed(batch) > availableMiB) --batch;
  if (needed(batch) <= availableMiB) return batch;
  std::vector<std::pair<std::string, std::string>> context = {
      {"needed", std::to_string(needed(1))}, {"available", std::to_string(availableMiB)}};
  const double scale =
      std::sqrt(static_cast<double>(availableMiB) / static_cast<double>(needed(1)));
  const auto side = static_cast<std::int64_t>(scale * std::sqrt(pixels)) / 64 * 64;
  if (side >= 64) {
    context.emplace_back(
        "fits", "Pictures of " + std::to_string(side) + "x" + std::to_string(side) + " would fit");
  }
  return api::fail(api::ErrorCode::NotEnoughMemory, std::move(context));
}

}  // namespace likeness::generate

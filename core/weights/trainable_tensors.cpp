// Parameters that are read; ranks by layer, shapes by kind.
#include "core/weights/trainable_tensors.h"

#include <algorithm>
#include <array>

namespace likeness::weights {
namespace {

bool endsIn(const std::string& moduleKey, std::string_view target) {
  return moduleKey == target || moduleKey.ends_with("." + std::string(target));
}

bool isConvolution(const std::string& moduleKey) {
  for (const char* name :
       {"conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"})
    if (endsIn(moduleKey, name)) return true;
  return false;
}

/// The two factors of a size, the smaller one first: `factor` and the rest where it divides the
/// size, else the divisors up to it that are nearest to each other (LyCORIS' factorization).
std::array<std::int64_t, 2> factors(std::int64_t size, std::int64_t factor) {
  if (size % factor == 0) return {std::min(factor, size / factor), std::max(factor, size / factor)};
  std::int64_t small = 1;
  for (std::int64_t i = 2; i <= factor && i * i <= size; ++i)
    if (size % i == 0) small = i;
  return {small, size / small};
}

Shape lowered(Shape weight, std::int64_t rank, bool up) {
  if (up) std::fill(weight.begin() + 2, weight.end(), 1);
  weight[up ? 1 : 0] = rank;
  return weight;
}

std::int64_t window(const Shape& weight) { return weight.size() == 4 ? weight[2] * weight[3] : 1; }

}  // namespace

bool isReadByXl(const ClipTextConfig& config, std::string_view key) {
  if (config.projectionDim > 0) return true;
  const std::string last =
      "text_model.encoder.layers." + std::to_string(config.numHiddenLayers - 1) + ".";
  return !key.starts_with(last) && !key.starts_with("text_model.final_layer_norm.");
}

std::int64_t adapterRank(NetworkKind network,
                         const std::string& moduleKey,
                         const api::LoraOptions& options) {
  if (isText(network)) {
    const bool isAttention =
        std::ranges::any_of(std::array{"q_proj", "k_proj", "v_proj", "out_proj"},
                            [&](const char* name) { return endsIn(moduleKey, name); });
    return options.textEncoder && isAttention ? options.rank : 0;
  }
  if (std::ranges::any_of(options.targets,
                          [&](const std::string& target) { return endsIn(moduleKey, target); }))
    return options.rank;
  return isConvolution(moduleKey) ? options.convRank : 0;
}

TensorShapes adapterShapes(const Shape& weight,
                           std::int64_t rank,
                           const api::LoraOptions& options) {
  if (options.kind == api::LoraKind::Lokr) {
    const auto [l, k] = factors(weight[0], options.lokrFactor);
    const auto [m, n] = factors(weight[1], options.lokrFactor);
    if (2 * rank < std::max(k, n))
      return {
          {"lokr_w1", {l, m}}, {"lokr_w2_a", {k, rank}}, {"lokr_w2_b", {rank, n * window(weight)}}};
    Shape second = weight;
    second[0] = k, second[1] = n;
    return {{"lokr_w1", {l, m}}, {"lokr_w2", second}};
  }
  TensorShapes shapes = {{"lora_A.weight", lowered(weight, rank, false)},
                         {"lora_B.weight", lowered(weight, rank, true)}};
  if (options.kind == api::LoraKind::Dora)
    shapes.emplace("lora_magnitude_vector",
                   weight.size() == 4 ? Shape{1, weight[0], 1, 1} : Shape{weight[0]});
  return shapes;
}

}  // namespace likeness::weights

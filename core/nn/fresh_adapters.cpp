// Adapters to train.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/nn/adapters.h"
#include "core/tensor/random_tensor.h"

namespace likeness::nn {
namespace fresh {

using weights::NetworkKind;
using weights::Shape;

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

}  // namespace fresh

std::int64_t adapterRank(weights::NetworkKind network,
                         const std::string& moduleKey,
                         const api::LoraOptions& options) {
  if (weights::isText(network)) {
    const bool isAttention =
        std::ranges::any_of(std::array{"q_proj", "k_proj", "v_proj", "out_proj"},
                            [&](const char* name) { return fresh::endsIn(moduleKey, name); });
    return options.textEncoder && isAttention ? options.rank : 0;
  }
  if (std::ranges::any_of(options.targets, [&](const std::string& target) {
        return fresh::endsIn(moduleKey, target);
      }))
    return options.rank;
  return fresh::isConvolution(moduleKey) ? options.convRank : 0;
}

weights::TensorShapes adapterShapes(const weights::Shape& weight,
                                    std::int64_t rank,
                                    const api::LoraOptions& options) {
  using namespace fresh;
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
  weights::TensorShapes shapes = {{"lora_A.weight", lowered(weight, rank, false)},
                                  {"lora_B.weight", lowered(weight, rank, true)}};
  if (options.kind == api::LoraKind::Dora)
    shapes.emplace("lora_magnitude_vector",
                   weight.size() == 4 ? Shape{1, weight[0], 1, 1} : Shape{weight[0]});
  return shapes;
}

double adapterScale(const api::LoraOptions& options) {
  const auto rank = static_cast<double>(options.rank);
  return (options.alpha > 0 ? options.alpha : rank) / rank;
}

tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed,
                             weights::NetworkKind network,
                             const std::function<bool(const std::string& key)>& isUsed) {
  using namespace fresh;
  const std::size_t number = adapterCount(store);
  tensor::StateDict trainable;
  std::uint64_t index = 0;
  for (const auto& [key, slot] : store.slots()) {
    ++index;
    const std::int64_t rank = adapterRank(network, key, options);
    if (rank == 0 || (isUsed && !isUsed(key))) continue;
    const at::Tensor weight = store.parameters().at(key + ".weight").detach();
    // Streams 0 and 1 of a layer of the UNet, 2 and 3 of the first text encoder, ...
    const std::uint64_t stream = network == NetworkKind::UNet          ? 0
                                 : network == NetworkKind::TextEncoder ? 2
                                                                       : 4;
    const auto drawn = [&](const Shape& shape, std::uint64_t which, double deviation) {
      const base::Random random(seed, base::Purpose::AdapterInit, index, stream + which);
      return tensor::normal(shape, random).mul_(deviation).to(weight.device());
    };
    // As wide as LyCORIS' uniform values between -1 and 1 / sqrt(inputs).
    const auto wide = [](const Shape& shape) {
      return 1 / std::sqrt(3.0 * static_cast<double>(shape[1]));
    };
    Adapter adapter;
    adapter.number = number;
    adapter.scale = adapterScale(options);
    for (const auto& [suffix, shape] : adapterShapes(weight.sizes().vec(), rank, options)) {
      at::Tensor leaf;
      if (suffix == "lora_A.weight")
        adapter.down = leaf = drawn(shape, 0, 1 / static_cast<double>(rank));
      else if (suffix == "lokr_w1")
        adapter.factor = leaf = drawn(shape, 1, wide(shape));
      else if (suffix == "lokr_w2_a")
        adapter.up = leaf = drawn(shape, 0, wide(shape));
      else if (suffix == "lora_magnitude_vector")
        adapter.magnitude = leaf = weight.to(at::kFloat).flatten(1).norm(2, {1}, false).view(shape);
      else
        (suffix == "lora_B.weight" ? adapter.up : adapter.down) = leaf =
            at::zeros(shape, weight.options().dtype(at::kFloat));
      if (suffix == "lokr_w2") adapter.scale = 1;  // no rank to be measured by
      trainable.emplace(key + "." + suffix, leaf.requires_grad_(true));
    }
    if (adapter.magnitude.defined()) adapter.norms = std::make_shared<Adapter::Norms>();
    slot->adapters.push_back(std::move(adapter));
  }
  return trainable;
}

}  // namespace likeness::nn

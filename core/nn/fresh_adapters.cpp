// Adapters to train.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "core/nn/adapters.h"
#include "core/tensor/random_tensor.h"
#include "core/weights/trainable_tensors.h"

namespace likeness::nn {

double adapterScale(const api::LoraOptions& options) {
  const auto rank = static_cast<double>(options.rank);
  return (options.alpha > 0 ? options.alpha : rank) / rank;
}

tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed,
                             weights::NetworkKind network,
                             const std::function<bool(const std::string& key)>& isUsed) {
  using weights::NetworkKind, weights::Shape;
  const std::size_t number = adapterCount(store);
  tensor::StateDict trainable;
  std::uint64_t index = 0;
  for (const auto& [key, slot] : store.slots()) {
    ++index;
    const std::int64_t rank = weights::adapterRank(network, key, options);
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
    for (const auto& [suffix, shape] :
         weights::adapterShapes(weight.sizes().vec(), rank, options)) {
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

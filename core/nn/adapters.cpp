// Fresh adapters, strengths and merging.
#include "core/nn/adapters.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/tensor/random_tensor.h"

namespace likeness::nn {
namespace {

bool isTarget(const std::string& moduleKey, const std::vector<std::string>& targets) {
  return std::ranges::any_of(targets, [&](const std::string& target) {
    return moduleKey == target || moduleKey.ends_with("." + target);
  });
}

}  // namespace

tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed) {
  const std::int64_t rank = options.rank;
  const double scale =
      (options.alpha > 0 ? options.alpha : static_cast<double>(rank)) / static_cast<double>(rank);
  tensor::StateDict trainable;
  std::uint64_t index = 0;
  for (const auto& [key, slot] : store.slots()) {
    ++index;
    if (!isTarget(key, options.targets)) continue;
    const at::Tensor weight = store.parameters().at(key + ".weight");
    std::vector<std::int64_t> downShape = weight.sizes().vec(), upShape(downShape.size(), 1);
    downShape[0] = rank;
    upShape[0] = weight.size(0);
    upShape[1] = rank;
    const base::Random random(seed, base::Purpose::AdapterInit, index);
    const at::Tensor down =
        tensor::normal(downShape, random).div_(static_cast<double>(rank)).to(weight.device());
    const at::Tensor up = at::zeros(upShape, down.options());
    slot->adapters.push_back(
        {down.requires_grad_(true), up.requires_grad_(true), scale, /*strength=*/1.0});
    trainable.emplace(key + ".lora_A.weight", down);
    trainable.emplace(key + ".lora_B.weight", up);
  }
  return trainable;
}

tensor::StateDict mergedWeights(const ParameterStore& store) {
  const c10::NoGradGuard noGrad;
  tensor::StateDict tensors = store.stateDict();
  for (const auto& [key, slot] : store.slots()) {
    if (slot->adapters.empty()) continue;
    at::Tensor& weight = tensors.at(key + ".weight");
    at::Tensor sum = weight.to(at::kFloat);
    for (const LowRank& a : slot->adapters) {
      const at::Tensor up = a.up.to(at::kFloat).flatten(1), down = a.down.to(at::kFloat).flatten(1);
      sum = sum + up.mm(down).mul(a.strength * a.scale).view(weight.sizes());
    }
    weight = sum.to(weight.scalar_type());
  }
  return tensors;
}

void setAdapterStrength(ParameterStore& store, std::size_t index, double strength) {
  for (const auto& [key, slot] : store.slots())
    if (index < slot->adapters.size()) slot->adapters[index].strength = strength;
}

}  // namespace likeness::nn

// Fresh adapters, strengths and merging.
#include "core/nn/adapters.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/nn/weight_change.h"
#include "core/tensor/random_tensor.h"

namespace likeness::nn {
namespace {

bool isTarget(const std::string& moduleKey, const std::vector<std::string>& targets) {
  return std::ranges::any_of(targets, [&](const std::string& target) {
    return moduleKey == target || moduleKey.ends_with("." + target);
  });
}

/// What the adapter adds to a weight at strength 1.
at::Tensor changeOf(const Adapter& a, const at::Tensor& weight) {
  if (a.change) return a.change(weight);
  AdapterParts parts = {{weights::AdapterPart::Down, a.down.to(at::kFloat)},
                        {weights::AdapterPart::Up, a.up.to(at::kFloat)}};
  if (a.mid.defined()) parts.emplace(weights::AdapterPart::Mid, a.mid.to(at::kFloat));
  return weightChange(weights::AdapterKind::Lora, parts, weight.sizes()).mul(a.scale);
}

}  // namespace

tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed) {
  const std::int64_t rank = options.rank;
  const std::size_t number = adapterCount(store);
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
        {down.requires_grad_(true), up.requires_grad_(true), scale, 1.0, {}, {}, number});
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
    const at::Tensor base = weight.to(at::kFloat);
    at::Tensor sum = base;
    for (const Adapter& a : slot->adapters)
      if (a.strength != 0) sum = sum + changeOf(a, base).mul(a.strength);
    weight = sum.to(weight.scalar_type());
  }
  return tensors;
}

std::size_t adapterCount(const ParameterStore& store) {
  std::size_t count = 0;
  for (const auto& [key, slot] : store.slots())
    for (const Adapter& a : slot->adapters) count = std::max(count, a.number + 1);
  return count;
}

void setAdapterStrength(const ParameterStore& store, std::size_t number, double strength) {
  for (const auto& [key, slot] : store.slots())
    for (Adapter& a : slot->adapters)
      if (a.number == number) a.strength = strength;
}

}  // namespace likeness::nn

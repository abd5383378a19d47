// Strengths and merging.
#include "core/nn/adapters.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/nn/weight_change.h"

namespace likeness::nn {
namespace {

/// What the adapter adds to a weight at strength 1.
at::Tensor changeOf(const Adapter& a, const at::Tensor& weight) {
  if (a.change) return a.change(weight);
  using enum weights::AdapterPart;
  AdapterParts parts;
  if (a.factor.defined()) {
    parts = {{LokrW1, a.factor.detach()}, {a.up.defined() ? LokrW2B : LokrW2, a.down.detach()}};
    if (a.up.defined()) parts.emplace(LokrW2A, a.up.detach());
    return weightChange(weights::AdapterKind::Lokr, parts, weight.sizes()).mul(a.scale);
  }
  parts = {{Down, a.down.to(at::kFloat)}, {Up, a.up.to(at::kFloat)}};
  if (a.mid.defined()) parts.emplace(Mid, a.mid.to(at::kFloat));
  const at::Tensor change =
      weightChange(weights::AdapterKind::Lora, parts, weight.sizes()).mul(a.scale);
  return a.magnitude.defined() ? decomposedChange(weight, change, a.magnitude, false) : change;
}

}  // namespace

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

// A process alone; what ranks ask of a recipe.
#include "core/train/ranks.h"

#include "core/tensor/device.h"

namespace likeness::train {

using api::ErrorCode;
using api::Result;

Result<void> Ranks::computeOn(const at::Device&) { return {}; }

Ranks::Wait Ranks::beginSum(const at::Tensor&) {
  return [] { return Result<void>(); };
}

Result<void> Ranks::sum(std::span<double>) { return {}; }

Result<bool> Ranks::any(bool mine) {
  double yes = mine ? 1 : 0;
  if (auto summed = sum(std::span<double>(&yes, 1)); !summed) return api::fail(summed.error());
  return yes > 0;
}

Result<std::string> Ranks::fromFirst(std::string text) { return text; }

void Ranks::tell(const api::Error&) {}

Result<at::Device> rankDevice(const std::string& wanted, const base::Placement& placement) {
  if (placement.size == 1) return tensor::chooseDevice(wanted);
  if (wanted.starts_with("cuda:"))
    return api::fail(
        ErrorCode::BadUsage,
        {{"reason",
          "several processes cannot share " + wanted + "; --device takes cuda, cpu or auto here"}});
  const auto kind = tensor::chooseDevice(wanted);
  if (!kind || kind->is_cpu()) return kind;
  const auto own = tensor::chooseDevice("cuda:" + std::to_string(placement.localRank));
  // Slurm may let each process see its own one alone.
  return !own && placement.localSize == 1 ? kind : own;
}

Result<void> checkDivisible(const api::TrainRequest& recipe, const Ranks& ranks) {
  if (ranks.size() == 1) return {};
  const std::string size = std::to_string(ranks.size());
  const std::int64_t photos = recipe.training.batchSize * recipe.training.gradientAccumulation;
  if (photos < ranks.size())
    return api::fail(
        ErrorCode::BadCombination,
        {{"key", "training.batchSize"},
         {"reason",
          "A step of " + std::to_string(photos) + (photos == 1 ? " photo" : " photos") +
              " cannot be divided over " + size + " devices"},
         {"fix", "Set --batch-size to " + size + " or more"}});
  if (recipe.memory.stepInBackward)
    return api::fail(ErrorCode::BadCombination,
                     {{"key", "memory.stepInBackward"},
                      {"reason",
                       "Weights cannot be updated within the backward pass on several devices, "
                       "whose gradients are added up at its end"},
                      {"fix", "Leave stepInBackward out, or train on one device"}});
  return {};
}

}  // namespace likeness::train

#include "core/api/comparison.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace likeness::api {
namespace {

constexpr std::size_t kStepDigits = 6;  // of a checkpoint's folder

void set(GenerateRequest& request, Axis axis, const AxisValue& value) {
  switch (axis) {
    case Axis::Guidance:
      request.sampling.guidance = std::get<double>(value);
      break;
    case Axis::Prompt:
      request.prompt = std::get<std::string>(value);
      request.promptTemplate.clear();
      request.prompts.clear();
      break;
    case Axis::Strength:
      if (!request.adapters.empty()) request.adapters.front().strength = std::get<double>(value);
      break;
    case Axis::Seed:
      request.seed = std::get<std::int64_t>(value);
      break;
    case Axis::Checkpoint:  // before the others: sheetRequests()
      break;
  }
}

/// For each request the first one that is the same to `same`.
template <class Same>
std::vector<std::size_t> firstAlike(const std::vector<GenerateRequest>& requests, Same same) {
  std::vector<std::size_t> first;
  for (const GenerateRequest& request : requests) {
    const auto found = std::ranges::find_if(
        requests, [&](const GenerateRequest& other) { return same(other, request); });
    first.push_back(static_cast<std::size_t>(found - requests.begin()));
  }
  return first;
}

}  // namespace

SheetWeights sheetWeights(const std::filesystem::path& runFolder,
                          const TrainRequest& run,
                          std::int64_t step) {
  std::string folder = std::to_string(step);
  SheetWeights weights{{runFolder.string(), folder}, run.base, {}};
  folder.insert(0, kStepDigits - std::min(kStepDigits, folder.size()), '0');
  if (run.training.method == Method::Lora)
    weights.adapter = runFolder / "checkpoints" / folder / "adapter.safetensors";
  return weights;
}

std::vector<Result<GenerateRequest>> sheetRequests(const GenerateRequest& common,
                                                   const SheetWeights& weights,
                                                   const SheetAxis& rows,
                                                   const SheetAxis& columns) {
  const bool strengths = rows.axis == Axis::Strength || columns.axis == Axis::Strength;
  std::vector<Result<GenerateRequest>> cells;
  for (const AxisValue& row : rows.values) {
    for (const AxisValue& column : columns.values) {
      const SheetWeights& own = rows.axis == Axis::Checkpoint      ? std::get<SheetWeights>(row)
                                : columns.axis == Axis::Checkpoint ? std::get<SheetWeights>(column)
                                                                   : weights;
      GenerateRequest request = common;
      const bool apart = strengths && !own.adapter.empty();
      request.model = apart ? own.base : own.model;
      if (apart) request.adapters.insert(request.adapters.begin(), AdapterRef{own.adapter, 1});
      if (strengths && request.adapters.empty()) {
        cells.push_back(fail(ErrorCode::BadCombination,
                             {{"key", "strength"},
                              {"reason", "There is no LoRA here whose strength could change"},
                              {"fix", "Compare checkpoints of a run that trained an adapter"}}));
        continue;
      }
      set(request, rows.axis, row);
      set(request, columns.axis, column);
      cells.push_back(std::move(request));
    }
  }
  return cells;
}

std::vector<std::size_t> orderByWeights(const std::vector<GenerateRequest>& requests) {
  const auto model = firstAlike(requests, [](const GenerateRequest& a, const GenerateRequest& b) {
    return a.model == b.model && a.embeddings == b.embeddings && a.compute == b.compute;
  });
  const auto adapters = firstAlike(
      requests,
      [](const GenerateRequest& a, const GenerateRequest& b) { return a.adapters == b.adapters; });
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, {}, [&](std::size_t i) { return std::pair(model[i], adapters[i]); });
  return order;
}

}  // namespace likeness::api

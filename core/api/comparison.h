// A contact sheet: pictures side by side that differ in one thing from row to row and in another
// from column to column.
#pragma once

#include <variant>

#include "core/api/requests.h"

namespace likeness::api {

/// What the rows, or the columns, of a sheet stand for.
enum class Axis { Checkpoint, Guidance, Prompt, Strength, Seed };
template <>
struct EnumNames<Axis> {
  static constexpr std::array<std::string_view, 5> names{
      "checkpoint", "guidance", "prompt", "strength", "seed"};
};

/// A model as a sheet uses it. Of a run that trained an adapter also what it is put together from,
/// so that the adapter can be put on at any strength.
struct SheetWeights {
  ModelRef model;
  ModelRef base;                  ///< counts where there is an adapter
  std::filesystem::path adapter;  ///< empty = none
  bool operator==(const SheetWeights&) const = default;
};
/// A checkpoint of a run, by its step, so that it stays the same one while the run goes on.
SheetWeights sheetWeights(const std::filesystem::path& runFolder,
                          const TrainRequest& run,
                          std::int64_t step);

/// A checkpoint; a guidance or a strength; a prompt; a seed.
using AxisValue = std::variant<SheetWeights, double, std::string, std::int64_t>;
struct SheetAxis {
  Axis axis = Axis::Checkpoint;
  std::vector<AxisValue> values;  ///< of the type that belongs to the axis
};

/// The cells' requests, row by row: `common` with the weights and the values of its row and column;
/// the axes differ. A strength is that of the adapter that the run trained, elsewhere of the first
/// one in `common`; a cell without any is BadCombination.
std::vector<Result<GenerateRequest>> sheetRequests(const GenerateRequest& common,
                                                   const SheetWeights& weights,
                                                   const SheetAxis& rows,
                                                   const SheetAxis& columns);

/// The order (indices) in which the requests exchange the weights as seldom as possible: all of one
/// model together, among them those with the same adapters; otherwise as they stand.
std::vector<std::size_t> orderByWeights(const std::vector<GenerateRequest>& requests);

}  // namespace likeness::api

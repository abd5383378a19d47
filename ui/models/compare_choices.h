// What the rows and columns of a contact sheet can stand for, as a person has chosen and typed it.
#pragma once

#include <QString>
#include <optional>
#include <vector>

#include "core/api/comparison.h"
#include "core/api/workspace.h"

namespace likeness::ui {

/// A checkpoint to choose.
struct CompareWeights {
  QString label;
  api::SheetWeights weights;
  std::filesystem::path run;  ///< empty = the base model
  std::int64_t step = 0;
  bool chosen = false;
};

/// The values of every axis, the shown ones and the others, so that rows and columns can change
/// places.
struct CompareChoices {
  std::vector<CompareWeights> weights;
  QString guidance, strength, seeds, prompts;  ///< as typed
  QString& text(api::Axis axis);               ///< of an axis that has one

  /// What a request's model is: a checkpoint of the runs, by its step, or another model.
  api::SheetWeights of(const api::ModelRef& model) const;
  QString words(const api::ModelRef& model) const;
  /// The checkpoint of a run that a cell was made with, also put together from its parts; null for
  /// other models.
  const CompareWeights* madeWith(const api::GenerateRequest& request) const;
};
/// The base model and every checkpoint of the runs, the latest run first. What was chosen before
/// stays chosen; of a run that was not there before, some of its checkpoints are.
void refreshWeights(CompareChoices& choices,
                    const api::ModelRef& base,
                    const std::vector<api::RunSummary>& runs);
/// Numbers with commas, semicolons or spaces between them, as the locale or the language of
/// programs writes them; nothing when a part is none.
std::optional<std::vector<double>> readNumbers(const QString& text);

}  // namespace likeness::ui

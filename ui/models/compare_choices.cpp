#include "ui/models/compare_choices.h"

#include <QCoreApplication>
#include <QLocale>
#include <QRegularExpression>
#include <algorithm>
#include <utility>

#include "ui/util/convert.h"
#include "ui/util/model_words.h"

namespace likeness::ui {
namespace {

constexpr std::size_t kChosen = 5;  // checkpoints of a new run, at most

struct ChoicesTr {
  Q_DECLARE_TR_FUNCTIONS(CompareChoices)
};

/// Runs stand latest first, the steps of each ascending.
const CompareWeights* findWeights(const std::vector<CompareWeights>& all,
                                  const api::ModelRef& model) {
  const CompareWeights* found = nullptr;
  for (const CompareWeights& one : all) {
    if (one.run.empty() || one.weights.model.path != model.path) continue;
    if (one.weights.model.checkpoint == model.checkpoint || model.checkpoint == "latest")
      found = &one;
  }
  return found;
}

}  // namespace

QString& CompareChoices::text(api::Axis axis) {
  return axis == api::Axis::Guidance   ? guidance
         : axis == api::Axis::Strength ? strength
         : axis == api::Axis::Seed     ? seeds
                                       : prompts;
}

api::SheetWeights CompareChoices::of(const api::ModelRef& model) const {
  const CompareWeights* found = findWeights(weights, model);
  return found ? found->weights : api::SheetWeights{model, {}, {}};
}

QString CompareChoices::words(const api::ModelRef& model) const {
  const CompareWeights* found = findWeights(weights, model);
  return found ? found->label : ModelWords::name(fromStd(model.path));
}

const CompareWeights* CompareChoices::madeWith(const api::GenerateRequest& request) const {
  if (const CompareWeights* found = findWeights(weights, request.model)) return found;
  const auto apart = std::ranges::find_if(weights, [&](const CompareWeights& one) {
    return !one.weights.adapter.empty() && !request.adapters.empty() &&
           request.adapters.front().file == one.weights.adapter;
  });
  return apart == weights.end() ? nullptr : &*apart;
}

void refreshWeights(CompareChoices& choices,
                    const api::ModelRef& base,
                    const std::vector<api::RunSummary>& runs) {
  const std::vector<CompareWeights> before = std::exchange(choices.weights, {});
  const auto known = [&](const std::filesystem::path& run) {
    return std::ranges::find(before, run, &CompareWeights::run) != before.end();
  };
  const bool nothingElse = before.empty() && runs.empty();
  choices.weights.push_back({ChoicesTr::tr("Base model"), {base, {}, {}}, {}, 0, nothingElse});
  bool latest = true;  // of those with checkpoints
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    const std::size_t count = run->checkpoints.size();
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t step = run->checkpoints[i];
      const QString words = run->best == step ? ChoicesTr::tr("Run %1, step %2 (best)")
                            : run->finished   ? ChoicesTr::tr("Run %1, step %2")
                                              : ChoicesTr::tr("Run %1, step %2 (unfinished)");
      // Evenly, and always the last.
      const std::size_t every = (count + kChosen - 1) / kChosen;
      const bool chosen = latest && !known(run->folder) && (count - 1 - i) % every == 0;
      choices.weights.push_back({words.arg(fromStd(run->name)).arg(step),
                                 api::sheetWeights(run->folder, run->request, step),
                                 run->folder,
                                 step,
                                 chosen});
    }
    if (count > 0) latest = false;
  }
  // A new run takes the place of what was chosen by itself before.
  const bool renewed = std::ranges::any_of(choices.weights, &CompareWeights::chosen);
  if (renewed) return;
  for (CompareWeights& weights : choices.weights) {
    const auto same = std::ranges::find_if(before, [&](const CompareWeights& old) {
      return old.run == weights.run && old.step == weights.step;
    });
    weights.chosen = same != before.end() && same->chosen;
  }
}

std::optional<std::vector<double>> readNumbers(const QString& text) {
  static const QRegularExpression between(QStringLiteral("[;\\s]+|,(?=\\s|$)"));
  QLocale locale;
  locale.setNumberOptions(QLocale::RejectGroupSeparator);
  std::vector<double> numbers;
  for (const QString& part : text.split(between, Qt::SkipEmptyParts)) {
    bool whole = false;
    double number = part.toDouble(&whole);
    if (!whole) number = locale.toDouble(part, &whole);
    if (whole) {
      numbers.push_back(number);
      continue;
    }
    for (const QString& piece : part.split(QLatin1Char(','), Qt::SkipEmptyParts)) {
      numbers.push_back(piece.toDouble(&whole));
      if (!whole) return {};
    }
  }
  return numbers;
}

}  // namespace likeness::ui

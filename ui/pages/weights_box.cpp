#include "ui/pages/weights_box.h"

#include <QSignalBlocker>
#include <algorithm>

#include "ui/util/convert.h"

namespace likeness::ui {
namespace {

constexpr int kStepRole = Qt::UserRole + 1;  // Qt::UserRole: folder and checkpoint of a run

bool isSameModel(const api::ModelRef& a, const api::ModelRef& b) {
  return a.path == b.path && a.vae == b.vae && a.prediction == b.prediction;
}

}  // namespace

WeightsBox::WeightsBox(ProjectModel& project, TrainingModel& training, QWidget* parent)
    : QComboBox(parent), m_project(project), m_training(training) {
  setObjectName("weights");
  setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  setMinimumContentsLength(12);
}

void WeightsBox::fill() {
  const QVariant before = currentData();
  const QSignalBlocker quiet(this);
  clear();
  addItem(tr("Base model, before training"), QStringList());
  const auto& runs = m_training.runs();
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->checkpoints.empty()) continue;
    const auto add = [&](const QString& text, const QString& checkpoint, std::int64_t step) {
      addItem(text.arg(fromStd(run->name)).arg(step),
              QStringList{fromPath(run->folder), checkpoint});
      setItemData(count() - 1, QString::number(step), kStepRole);
    };
    add(tr("Run %1, latest (step %2)"), "latest", run->checkpoints.back());
    if (run->best && *run->best != run->checkpoints.back())
      add(tr("Run %1, best (step %2)"), QString::number(*run->best), *run->best);
    for (auto step = run->checkpoints.rbegin() + 1; step < run->checkpoints.rend(); ++step)
      if (*step != run->best) add(tr("Run %1, step %2"), QString::number(*step), *step);
  }
  const bool baseOnlyBefore = before.toStringList().isEmpty();
  setCurrentIndex(baseOnlyBefore && count() > 1 ? 1 : std::max(0, findData(before)));
}

void WeightsBox::useLatest() { setCurrentIndex(count() > 1 ? 1 : 0); }

bool WeightsBox::choose(const api::ModelRef& model) {
  for (int row = 0; row < count(); ++row) {
    const QStringList item = itemData(row).toStringList();
    // A picture names the step, also where the latest was asked for.
    const QString step = fromStd(model.checkpoint);
    const bool same = item.isEmpty()
                          ? isSameModel(model, m_project.recipe().base)
                          : item[0] == fromStd(model.path) &&
                                (item[1] == step || itemData(row, kStepRole).toString() == step);
    if (!same) continue;
    setCurrentIndex(row);
    return true;
  }
  return false;
}

api::ModelRef WeightsBox::chosen() const {
  const QStringList item = currentData().toStringList();
  return item.isEmpty() ? m_project.recipe().base
                        : api::ModelRef{toStd(item[0]), toStd(item[1]), {}};
}

}  // namespace likeness::ui

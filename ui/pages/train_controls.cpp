#include "ui/pages/train_controls.h"

#include <QAction>
#include <QApplication>
#include <QHBoxLayout>
#include <QLocale>
#include <QMenu>
#include <QProgressBar>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/util/icons.h"
#include "ui/util/texts.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {

TrainControls::TrainControls(ProjectModel& project, TrainingModel& training, QWidget* parent)
    : QFrame(parent),
      m_project(project),
      m_training(training),
      m_problems(new QLabel),
      m_plan(makeHint()),
      m_estimate(makeHint()),
      m_status(new QLabel),
      m_advice(makeHint()),
      m_saved(makeHint()),
      m_progress(new QProgressBar),
      m_start(makePrimary("trainStart", tr("Train"))),
      m_queue(makeButton("trainQueue", tr("Add to queue"))),
      m_sample(makeButton("trainSample", tr("Sample now"))),
      m_save(makeButton("trainSave", tr("Save now"))),
      m_stop(makeButton("trainStop", tr("Stop and keep"))),
      m_create(makeButton("trainCreate", tr("Make pictures"))),
      m_export(makeButton("trainExport", tr("Export…"))) {
  setProperty("card", true);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 12, 12, 12);
  layout->setSpacing(kGrid);
  m_problems->setObjectName("trainProblems");
  m_problems->setWordWrap(true);
  m_problems->setTextFormat(Qt::PlainText);
  setTone(m_problems, "warning");
  m_plan->setObjectName("trainPlan");
  m_plan->hide();
  m_estimate->setObjectName("trainEstimate");
  m_status->setObjectName("trainStatus");
  m_status->setWordWrap(true);
  m_advice->setObjectName("trainAdvice");
  m_advice->hide();
  m_saved->setObjectName("trainSaved");
  m_saved->hide();
  m_progress->setAccessibleName(tr("Progress"));
  m_start->setToolTip(tr("Start training (Ctrl+Return)"));
  m_queue->setIcon(icon("queue"));
  m_queue->setToolTip(
      tr("Trains with the recipe as it stands now when its turn comes (Ctrl+Shift+Return)"));
  m_create->setIcon(icon("create"));
  m_export->setIcon(icon("export"));
  for (QWidget* widget : std::initializer_list<QWidget*>{
           m_problems, m_status, m_progress, m_advice, m_saved, m_plan, m_estimate, m_start})
    layout->addWidget(widget);
  addWatch(layout);
  addStop(layout);
  layout->addWidget(m_queue);
  m_doneRow = new QWidget;
  auto* done = new QHBoxLayout(m_doneRow);
  done->setContentsMargins(0, 0, 0, 0);
  done->addWidget(m_create, 1);
  done->addWidget(m_export, 1);
  layout->addWidget(m_doneRow);
  connectModel();
  showJob();
}

void TrainControls::addWatch(QVBoxLayout* layout) {
  m_sample->setToolTip(tr("Draws the sample prompts after the step under way, then trains on."));
  m_save->setToolTip(tr("Saves a checkpoint after the step under way, then trains on."));
  m_watchRow = new QWidget;
  auto* row = new QHBoxLayout(m_watchRow);
  row->setContentsMargins(0, 0, 0, 0);
  row->addWidget(m_sample, 1);
  row->addWidget(m_save, 1);
  layout->addWidget(m_watchRow);
  connect(m_sample, &QPushButton::clicked, this, [this] {
    m_samplesAsked = true;
    m_training.sampleNow();
    showJob();
  });
  connect(m_save, &QPushButton::clicked, this, [this] {
    m_saveAsked = true;
    m_training.checkpointNow();
    showJob();
  });
}

void TrainControls::addStop(QVBoxLayout* layout) {
  m_stop->setIcon(icon("stop"));
  m_stop->setToolTip(tr("Finishes the step under way and saves; it can be continued later."));
  QToolButton* later = makeTool("trainStopLater", "chevron-down", tr("Stop later"));
  later->setPopupMode(QToolButton::InstantPopup);
  auto* menu = new QMenu(later);
  later->setMenu(menu);
  const auto add = [&](const char* name, const QString& text, StopAt at) {
    QAction* action = menu->addAction(text);
    action->setObjectName(QLatin1String(name));
    action->setCheckable(true);
    connect(action, &QAction::triggered, this, [this, at](bool on) {
      on ? m_training.stop(at) : m_training.keepTraining();
    });
    return action;
  };
  m_afterSave = add("stopAfterSave", tr("Stop after the next checkpoint"), StopAt::NextCheckpoint);
  m_afterSamples =
      add("stopAfterSamples", tr("Draw samples first, then stop"), StopAt::AfterSamples);
  m_stopRow = new QWidget;
  auto* row = new QHBoxLayout(m_stopRow);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(4);
  row->addWidget(m_stop, 1);
  row->addWidget(later);
  layout->addWidget(m_stopRow);
  connect(m_stop, &QPushButton::clicked, &m_training, [this] { m_training.stop(); });
}

void TrainControls::connectModel() {
  connect(m_start, &QPushButton::clicked, &m_training, &TrainingModel::start);
  connect(m_queue, &QPushButton::clicked, this, &TrainControls::queueRequested);
  connect(m_create, &QPushButton::clicked, this, &TrainControls::createRequested);
  connect(m_export, &QPushButton::clicked, this, &TrainControls::exportRequested);
  connect(&m_project, &ProjectModel::opened, this, &TrainControls::showProblems);
  connect(&m_training, &TrainingModel::problemsChanged, this, &TrainControls::showProblems);
  connect(&m_training, &TrainingModel::planChanged, this, &TrainControls::showPlan);
  connect(&m_training, &TrainingModel::runsChanged, this, &TrainControls::showJob);
  connect(&m_training, &TrainingModel::stopAtChanged, this, &TrainControls::showJob);
  connect(&m_training, &TrainingModel::curvesReset, this, [this] {
    m_advice->hide();
    m_saved->hide();
    m_samplesAsked = m_saveAsked = false;
    showJob();
  });
  connect(&m_training, &TrainingModel::checkpointSaved, this, [this](qint64 step) {
    m_saveAsked = false;
    m_saved->setText(tr("Saved at step %1.").arg(QLocale().toString(step)));
    m_saved->show();
    showJob();
  });
  connect(&m_training.samples(), &QAbstractItemModel::rowsInserted, this, [this] {
    m_samplesAsked = false;
    showJob();
  });
  connect(&m_training, &TrainingModel::advised, this, [this](const api::Advice& advice) {
    m_advice->setText(Texts::forAdvice(advice));
    m_advice->show();
  });
  connect(&m_training.job(), &Job::changed, this, &TrainControls::showJob);
}

void TrainControls::focusStart() { (m_training.job().active() ? m_stop : m_start)->setFocus(); }

void TrainControls::showProblems() {
  if (!m_project.isOpen()) return;
  QStringList lines;
  for (const api::FieldError& problem : m_training.problems()) {
    const ErrorText text = Texts::forError(problem.error);
    lines << (text.hint.isEmpty() ? text.sentence : text.sentence + QLatin1Char(' ') + text.hint);
  }
  m_problems->setText(lines.mid(0, 3).join(QLatin1Char('\n')));
  showJob();
}

void TrainControls::showPlan() {
  const std::optional<api::TrainingPlan>& plan = m_training.plan();
  const bool shown = plan && !m_training.job().active();
  m_plan->setVisible(shown);
  if (!shown) return;
  const QLocale locale;
  const auto mebibytes = [](std::int64_t count) {
    return Texts::bytes(static_cast<std::uint64_t>(count) << 20);
  };
  const QString memory =
      plan->availableMiB > 0
          ? tr("%1 of %2 memory")
                .arg(mebibytes(plan->memory.total()), mebibytes(plan->availableMiB))
          : tr("%1 memory").arg(mebibytes(plan->memory.total()));
  QString text = tr("%1 steps, %2 passes per photo, %3, %4, %5 disk")
                     .arg(locale.toString(static_cast<qint64>(plan->steps)),
                          locale.toString(plan->passesPerPhoto, 'g', 4),
                          Texts::duration(plan->seconds),
                          memory,
                          Texts::bytes(plan->disk.total()));
  if (plan->obstacle) {
    const ErrorText error = Texts::forError(*plan->obstacle);
    text += QLatin1Char('\n') + error.sentence + QLatin1Char(' ') + error.hint;
  }
  m_plan->setText(text);
  setTone(m_plan, plan->obstacle ? "warning" : "");
}

void TrainControls::showJob() {
  const Job& job = m_training.job();
  const bool active = job.active();
  m_problems->setVisible(!active && !m_problems->text().isEmpty());
  const bool ready = m_project.isOpen() && m_training.problems().empty();
  m_start->setEnabled(ready);
  m_queue->setEnabled(ready);
  showStop();
  const bool focus =
      active ? m_start->hasFocus() : m_stopRow->isAncestorOf(QApplication::focusWidget());
  QWidget *shown = active ? m_stopRow : m_start, *hidden = active ? m_start : m_stopRow;
  shown->show();
  if (focus) focusStart();  // the keyboard keeps its place
  hidden->hide();
  m_progress->setVisible(active);
  m_status->setVisible(active);
  const api::Progress& progress = job.progress();
  m_progress->setRange(
      0, static_cast<int>(progress.total));  // 0..0 shows that it works without saying how far
  m_progress->setValue(static_cast<int>(progress.done));
  const bool training =
      job.state() == JobState::Running && progress.stage == api::Stage::Train && progress.done > 0;
  m_watchRow->setVisible(active);
  m_sample->setEnabled(training && !m_samplesAsked);
  m_save->setEnabled(training && !m_saveAsked);
  const bool any = std::any_of(m_training.runs().begin(),
                               m_training.runs().end(),
                               [](const api::RunSummary& run) { return !run.checkpoints.empty(); });
  m_doneRow->setVisible(!active && any);
  if (!active) m_saved->hide();
  m_estimate->setVisible(!active && m_project.isOpen());
  m_estimate->setText(any ? tr("Training again begins a new run; the others are kept.")
                          : tr("Stop at any time: what was learned is kept and can be continued."));
  showPlan();
}

void TrainControls::showStop() {
  const Job& job = m_training.job();
  m_stopRow->setEnabled(job.active() && job.state() != JobState::Stopping);
  const std::optional<StopAt> at = m_training.stopAt();
  m_afterSave->setChecked(at == StopAt::NextCheckpoint);
  m_afterSamples->setChecked(at == StopAt::AfterSamples);
  const bool running = job.state() == JobState::Running;
  for (QAction* action : {m_afterSave, m_afterSamples}) action->setEnabled(running);
  QString status = job.describe();
  if (at)
    status += QLatin1Char('\n') + (at == StopAt::NextCheckpoint
                                       ? tr("It stops after the next checkpoint.")
                                       : tr("It stops when the samples are drawn."));
  m_status->setText(status);
}

}  // namespace likeness::ui

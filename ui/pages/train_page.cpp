#include "ui/pages/train_page.h"

#include <QAction>
#include <QHBoxLayout>
#include <QLocale>
#include <QProgressBar>
#include <QRadioButton>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QVBoxLayout>

#include "ui/dialogs/info_dialogs.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/loss_panel.h"
#include "ui/widgets/loss_plot.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/option_form.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/picture_strip.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {
namespace {

constexpr int kRecipeWidth = 328;
constexpr int kStripSide = 84;
/// Options that the upper part of the page or the photos page shows.
QStringList shownElsewhere() {
  return {"subject.subjectName",
          "subject.token",
          "subject.class",
          "training.method",
          "training.passesPerPhoto",
          "prior.classImages",
          "prior.priorWeight"};
}

}  // namespace

TrainPage::TrainPage(ProjectModel& project, TrainingModel& training, QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_training(training),
      m_message(new MessageBar),
      m_full(new QRadioButton(tr("Whole model: the best likeness"))),
      m_lora(new QRadioButton(tr("Adapter (LoRA): faster, a small file"))),
      m_word(new QRadioButton(tr("New word: a tiny file, rough likeness"))),
      m_strength(new ValueSlider("strength", 5, 10000, 5, 400)),
      m_prior(new ValueSlider("prior", 0, 10, 0.1, 2)),
      m_classCount(new QSpinBox),
      m_strengthText(makeHint()),
      m_priorTitle(makeSection({})),
      m_problems(new QLabel),
      m_plan(makeHint()),
      m_estimate(makeHint()),
      m_status(new QLabel),
      m_advice(makeHint()),
      m_classTitle(makeSection({})),
      m_sampleTitle(makeSection(tr("Samples during training"))),
      m_form(new OptionForm(trainOptions(), shownElsewhere())),
      m_recipe(new QScrollArea),
      m_start(makePrimary("trainStart", tr("Train"))),
      m_stop(makeButton("trainStop", tr("Stop and keep"))),
      m_queue(makeButton("trainQueue", tr("Add to queue"))),
      m_create(makeButton("trainCreate", tr("Make pictures"))),
      m_export(makeButton("trainExport", tr("Export…"))),
      m_progress(new QProgressBar),
      m_loss(new LossPanel),
      m_classStrip(new PictureStrip(kStripSide)),
      m_sampleStrip(new PictureStrip(kStripSide)) {
  setObjectName("page");
  auto* left = new QWidget;
  left->setFixedWidth(kRecipeWidth);
  auto* leftColumn = new QVBoxLayout(left);
  leftColumn->setContentsMargins(0, 0, 0, 0);
  leftColumn->setSpacing(kMargin);
  leftColumn->addWidget(makeRecipe(), 1);
  leftColumn->addWidget(makeStart());

  auto* right = new QVBoxLayout;
  right->setSpacing(kMargin);
  right->addWidget(m_loss, 1);
  right->addWidget(makeStrip(m_classTitle, m_classStrip));
  right->addWidget(makeStrip(m_sampleTitle, m_sampleStrip));
  auto* columns = new QHBoxLayout;
  columns->setSpacing(kMargin);
  columns->addWidget(left);
  columns->addLayout(right, 1);
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addLayout(columns, 1);
  connectModels();
  showRecipe();
  showJob();
}

QWidget* TrainPage::makeRecipe() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  layout->setContentsMargins(0, 0, 0, 0);
  auto* inside = new QWidget;
  inside->setObjectName("scrolled");
  auto* column = new QVBoxLayout(inside);
  column->setContentsMargins(12, 12, 12, 12);
  column->setSpacing(kGrid);
  column->addWidget(makeSection(tr("How much it learns")));
  const QString help =
      tr("How often each photo is studied. Too little and the subject is not recognised; too much "
         "and every picture looks like the photos.");
  m_strength->setAccessibleTexts(tr("How much it learns, passes per photo"), help);
  column->addWidget(m_strength);
  m_strengthText->setObjectName("strengthText");
  column->addWidget(m_strengthText);
  column->addSpacing(kGrid);
  addMethod(column);
  column->addSpacing(kGrid);
  addClass(column);
  column->addSpacing(kGrid);
  addExpert(column);
  column->addStretch();
  m_recipe->setObjectName("recipe");
  m_recipe->setWidget(inside);
  m_recipe->setWidgetResizable(true);
  m_recipe->setFrameShape(QFrame::NoFrame);
  m_recipe->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  layout->addWidget(m_recipe);
  return card;
}

void TrainPage::addMethod(QVBoxLayout* layout) {
  layout->addWidget(makeSection(tr("What is trained")));
  using enum api::Method;
  for (const auto& [button, name, method] : {std::tuple(m_full, "methodFull", Full),
                                             std::tuple(m_lora, "methodLora", Lora),
                                             std::tuple(m_word, "methodWord", TextualInversion)}) {
    button->setObjectName(QLatin1String(name));
    layout->addWidget(button);
    connect(button, &QRadioButton::clicked, this, [this, chosen = method] {
      m_project.edit([chosen](api::TrainRequest& recipe) { recipe.training.method = chosen; });
    });
  }
}

void TrainPage::addClass(QVBoxLayout* layout) {
  layout->addWidget(m_priorTitle);
  layout->addWidget(
      makeHint(tr("Pictures of the class, made by the base model first, keep others of its kind as "
                  "they were.")));
  m_classCount->setObjectName("classCount");
  m_classCount->setRange(0, 100000);
  m_classCount->setSingleStep(10);
  m_classCount->setKeyboardTracking(false);
  m_classCount->setSpecialValueText(tr("none: no protection"));
  addField(layout,
           tr("Class pictures"),
           m_classCount,
           tr("More protect better and take longer to make, once. 0 turns the protection off."));
  m_prior->setAccessibleTexts(
      tr("Protection"), tr("How much keeping the class counts against learning the subject."));
  auto* caption = makeHint(tr("Protection"));
  layout->addWidget(caption);
  layout->addWidget(m_prior);
}

void TrainPage::addExpert(QVBoxLayout* layout) {
  layout->addWidget(
      new Fold("expertToggle",
               tr("Expert: %n option(s)", nullptr, static_cast<int>(m_form->paths().size())),
               m_form));
  connect(
      m_form, &OptionForm::edited, this, [this](const QString& path, const api::FieldValue& value) {
        m_project.edit([&](api::TrainRequest& recipe) { writeOption(recipe, toStd(path), value); });
      });
}

QWidget* TrainPage::makeStart() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  m_problems->setObjectName("trainProblems");
  m_problems->setWordWrap(true);
  m_problems->setTextFormat(Qt::PlainText);
  setTone(m_problems, "warning");
  m_plan->setObjectName("trainPlan");
  m_plan->setWordWrap(true);
  m_plan->hide();
  m_estimate->setObjectName("trainEstimate");
  m_status->setObjectName("trainStatus");
  m_status->setWordWrap(true);
  m_advice->setObjectName("trainAdvice");
  m_advice->hide();
  m_progress->setAccessibleName(tr("Progress"));
  m_queue->setIcon(icon("queue"));
  m_queue->setToolTip(
      tr("Trains with the recipe as it stands now when its turn comes (Ctrl+Shift+Return)"));
  m_stop->setIcon(icon("stop"));
  m_stop->setToolTip(tr("Finishes the step under way and saves; it can be continued later."));
  m_start->setToolTip(tr("Start training (Ctrl+Return)"));
  m_create->setIcon(icon("create"));
  m_export->setIcon(icon("export"));
  auto* after = new QHBoxLayout;
  after->addWidget(m_create, 1);
  after->addWidget(m_export, 1);
  for (QWidget* widget : {static_cast<QWidget*>(m_problems),
                          static_cast<QWidget*>(m_status),
                          static_cast<QWidget*>(m_progress),
                          static_cast<QWidget*>(m_advice),
                          static_cast<QWidget*>(m_plan),
                          static_cast<QWidget*>(m_estimate),
                          static_cast<QWidget*>(m_start),
                          static_cast<QWidget*>(m_stop),
                          static_cast<QWidget*>(m_queue)})
    layout->addWidget(widget);
  layout->addLayout(after);
  return card;
}

QWidget* TrainPage::makeStrip(QLabel* title, PictureStrip* strip) {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  layout->setContentsMargins(12, 8, 12, 4);
  layout->setSpacing(2);
  layout->addWidget(title);
  layout->addWidget(strip);
  connect(strip, &PictureStrip::opened, this, [this, strip](const QModelIndex& index) {
    const auto* model = static_cast<PictureListModel*>(strip->model());
    showPicture(this, model->at(index.row()).image, index.data(Qt::AccessibleTextRole).toString());
  });
  auto* begin = new QAction(tr("Begin a picture from it"), strip);
  strip->addAction(begin);
  strip->setContextMenuPolicy(Qt::ActionsContextMenu);
  connect(begin, &QAction::triggered, this, [this, strip] {
    const QString file = strip->currentIndex().data(PictureListModel::FileRole).toString();
    if (!file.isEmpty()) Q_EMIT pictureChosen(file);
  });
  return card;
}

void TrainPage::connectModels() {
  m_classStrip->setObjectName("classStrip");
  m_classStrip->setAccessibleName(tr("Class pictures"));
  m_classStrip->setPlaceholder(tr(
      "Before the first training the base model makes these pictures; later runs use them again."));
  m_classStrip->setModel(&m_training.classImages());
  m_sampleStrip->setObjectName("sampleStrip");
  m_sampleStrip->setAccessibleName(tr("Samples during training"));
  m_sampleStrip->setPlaceholder(
      tr("While it trains, the same few prompts are drawn again and again: you see it learn."));
  m_sampleStrip->setModel(&m_training.samples());

  connect(m_strength, &ValueSlider::edited, this, [this](double value) {
    m_project.edit([value](api::TrainRequest& recipe) {
      recipe.training.passesPerPhoto = value;
      recipe.training.steps = 0;
    });
  });
  connect(m_prior, &ValueSlider::edited, this, [this](double value) {
    m_project.edit([value](api::TrainRequest& recipe) { recipe.prior.weight = value; });
  });
  connect(m_classCount, &QSpinBox::valueChanged, this, [this](int value) {
    m_project.edit([value](api::TrainRequest& recipe) { recipe.prior.classImages = value; });
  });
  connect(m_start, &QPushButton::clicked, &m_training, &TrainingModel::start);
  connect(m_stop, &QPushButton::clicked, &m_training, &TrainingModel::stop);
  connect(m_queue, &QPushButton::clicked, this, &TrainPage::queueRequested);
  connect(m_create, &QPushButton::clicked, this, &TrainPage::createRequested);
  connect(m_export, &QPushButton::clicked, this, &TrainPage::exportRequested);

  connect(&m_project, &ProjectModel::opened, this, [this] {
    m_message->dismiss();
    showRecipe();
  });
  connect(&m_project, &ProjectModel::recipeChanged, this, &TrainPage::showRecipe);
  connect(&m_training, &TrainingModel::problemsChanged, this, &TrainPage::showProblems);
  connect(&m_training, &TrainingModel::planChanged, this, &TrainPage::showPlan);
  connect(&m_training, &TrainingModel::runsChanged, this, &TrainPage::offerResume);
  connect(&m_training, &TrainingModel::curvesReset, this, &TrainPage::refillPlot);
  connect(&m_training, &TrainingModel::curvesGrew, m_loss, &LossPanel::append);
  connect(&m_training, &TrainingModel::checkpointSaved, &m_loss->plot(), &LossPlot::addCheckpoint);
  connect(&m_training, &TrainingModel::advised, this, [this](const api::Advice& advice) {
    m_advice->setText(Texts::forAdvice(advice));
    m_advice->show();
  });
  connect(&m_training, &TrainingModel::warned, this, [this](const api::Error& error) {
    m_message->showWarning(error);
  });
  connect(&m_training.job(), &Job::changed, this, &TrainPage::showJob);
  connect(&m_training.job(), &Job::ended, this, &TrainPage::showEnd);
  connect(&m_training.classImages(),
          &QAbstractItemModel::rowsInserted,
          this,
          &TrainPage::showClassTitle);
  connect(
      &m_training.classImages(), &QAbstractItemModel::modelReset, this, &TrainPage::showClassTitle);
}

void TrainPage::showRecipe() {
  if (!m_project.isOpen()) return;
  const api::TrainRequest& recipe = m_project.recipe();
  const QSignalBlocker quiet(m_classCount);
  using enum api::Method;
  const api::Method method = recipe.training.method;
  (method == Lora ? m_lora : method == TextualInversion ? m_word : m_full)->setChecked(true);
  m_strength->setValue(recipe.training.passesPerPhoto);
  m_prior->setValue(recipe.prior.weight);
  const bool protects = method != TextualInversion;  // a word changes nothing of the class
  m_classCount->setEnabled(protects);
  m_prior->setEnabled(protects && recipe.prior.classImages > 0);
  m_classCount->setValue(static_cast<int>(recipe.prior.classImages));
  const QString word = fromStd(recipe.subject.classWord);
  m_priorTitle->setText(word.isEmpty() ? tr("Protect the class") : tr("Protect “%1”").arg(word));
  m_form->setRequest(recipe, m_project.recommended());
  showClassTitle();
  showProblems();
}

void TrainPage::focusStart() { (m_training.job().active() ? m_stop : m_start)->setFocus(); }

void TrainPage::showProblems() {
  if (!m_project.isOpen()) return;
  const std::vector<api::FieldError> problems = m_training.problems();
  QStringList lines;
  for (const api::FieldError& problem : problems) {
    const ErrorText text = Texts::forError(problem.error);
    lines << (text.hint.isEmpty() ? text.sentence : text.sentence + QLatin1Char(' ') + text.hint);
  }
  m_form->setProblems(problems);
  m_problems->setText(lines.mid(0, 3).join(QLatin1Char('\n')));
  const api::TrainRequest& recipe = m_project.recipe();
  const qint64 steps = m_training.plannedSteps();
  const QLocale locale;
  QString text =
      recipe.training.steps > 0
          ? tr("%1 steps, set by the expert option; move the slider to follow the photos again")
                .arg(locale.toString(steps))
          : tr("%1 passes per photo = %2 steps")
                .arg(locale.toString(recipe.training.passesPerPhoto, 'g', 6),
                     locale.toString(steps));
  m_strengthText->setText(text);
  if (m_training.runName().isEmpty()) m_loss->plot().setSteps(steps);
  showJob();
}

void TrainPage::showPlan() {
  const std::optional<api::TrainingPlan>& plan = m_training.plan();
  const bool shown = plan && !m_training.job().active();
  m_plan->setVisible(shown);
  if (!shown) return;
  const QLocale locale;
  const auto bytes = [](std::uint64_t count) { return Texts::bytes(count); };
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
                          bytes(plan->disk.total()));
  if (plan->obstacle) {
    const ErrorText error = Texts::forError(*plan->obstacle);
    text += QLatin1Char('\n') + error.sentence + QLatin1Char(' ') + error.hint;
  }
  m_plan->setText(text);
  setTone(m_plan, plan->obstacle ? "warning" : "");
}

void TrainPage::showJob() {
  const Job& job = m_training.job();
  const bool active = job.active();
  const bool ready = m_project.isOpen() && m_training.problems().empty();
  m_problems->setVisible(!active && !m_problems->text().isEmpty());
  m_start->setEnabled(ready);
  m_queue->setEnabled(ready);
  m_stop->setEnabled(active && job.state() != JobState::Stopping);
  showInstead(active ? m_stop : m_start, active ? m_start : m_stop);
  m_progress->setVisible(active);
  m_status->setVisible(active);
  m_status->setText(job.describe());
  const api::Progress& progress = job.progress();
  m_progress->setRange(
      0, static_cast<int>(progress.total));  // 0..0 shows that it works without saying how far
  m_progress->setValue(static_cast<int>(progress.done));
  if (active && progress.stage == api::Stage::Train) m_loss->plot().setSteps(progress.total);
  const bool any = std::any_of(m_training.runs().begin(),
                               m_training.runs().end(),
                               [](const api::RunSummary& run) { return !run.checkpoints.empty(); });
  m_create->setVisible(!active && any);
  m_export->setVisible(!active && any);
  showPlan();
  m_estimate->setVisible(!active && m_project.isOpen());
  m_estimate->setText(any ? tr("Training again begins a new run; the others are kept.")
                          : tr("Stop at any time: what was learned is kept and can be continued."));
  m_loss->setTitle(m_training.runName().isEmpty() ? tr("Loss")
                                                  : tr("Loss, run %1").arg(m_training.runName()));
}

void TrainPage::showEnd() {
  const Job& job = m_training.job();
  if (job.state() == JobState::Failed) {
    m_message->showError(*job.error());
  } else if (job.state() == JobState::Cancelled) {
    m_message->showNote(tr("Stopped. What was learned is kept."),
                        tr("Make pictures with it, or continue the run."));
  } else {
    m_message->showOffer(
        tr("Training is done."),
        tr("See what it has learned: make pictures, or export it for other programs."),
        tr("Make pictures"),
        [this] { Q_EMIT createRequested(); },
        tr("Close"));
  }
}

void TrainPage::showClassTitle() {
  const int made = m_training.classImages().rowCount();
  const qint64 total = m_training.classImagesTotal();
  const QString prompt = m_project.isOpen()
                             ? fromStd(api::renderPrompt(m_project.recipe().subject.classPrompt,
                                                         m_project.recipe().subject))
                             : QString();
  const bool known = m_project.isOpen() && !m_project.recipe().subject.classWord.empty();
  m_classTitle->setText(
      !known      ? tr("Class pictures")
      : made == 0 ? tr("Class pictures: “%1”").arg(prompt)
                  : tr("Class pictures: “%1”, %2 of %3").arg(prompt).arg(made).arg(total));
}

void TrainPage::offerResume() {
  if (!m_training.runs().empty() && !m_training.job().active())
    m_loss->plot().setSteps(m_training.runs().back().steps);
  showJob();
  const api::RunSummary* run = m_training.unfinished();
  if (!run) return;
  // Why it failed must not go under in the offer.
  const auto& error = m_training.job().error();
  if (!error || m_message->sentence() != Texts::forError(*error).sentence)
    m_message->showNote(tr("Run %1 stopped at step %2 of %3.")
                            .arg(fromStd(run->name))
                            .arg(run->checkpoints.back())
                            .arg(run->steps),
                        tr("It continues exactly where it was saved."));
  m_message->offer(
      tr("Continue training"), [this, copy = *run] { m_training.resume(copy); }, tr("Not now"));
}

void TrainPage::refillPlot() {
  m_advice->hide();
  m_loss->plot().clear();
  for (const api::Series series : LossPanel::kSeries)
    m_loss->plot().append(series, m_training.curve(series));
  showJob();
}

}  // namespace likeness::ui

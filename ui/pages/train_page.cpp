#include "ui/pages/train_page.h"

#include <QHBoxLayout>
#include <QLocale>
#include <QRadioButton>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QSplitter>
#include <QVBoxLayout>

#include "ui/pages/loss_panel.h"
#include "ui/pages/train_controls.h"
#include "ui/pages/train_pictures.h"
#include "ui/util/convert.h"
#include "ui/util/texts.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/option_form.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/timestep_plot.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {
namespace {

constexpr int kRecipeWidth = 328;
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

TrainPage::TrainPage(ProjectModel& project,
                     TrainingModel& training,
                     DialogService& dialogs,
                     QWidget* parent)
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
      m_form(new OptionForm(trainOptions(), shownElsewhere())),
      m_timesteps(new TimestepPlot),
      m_recipe(new QScrollArea),
      m_controls(new TrainControls(project, training)),
      m_pictures(new TrainPictures(project, training, *m_message, this)) {
  setObjectName("page");
  auto* left = new QWidget;
  left->setFixedWidth(kRecipeWidth);
  auto* leftColumn = new QVBoxLayout(left);
  leftColumn->setContentsMargins(0, 0, 0, 0);
  leftColumn->setSpacing(kMargin);
  leftColumn->addWidget(makeRecipe(), 1);
  leftColumn->addWidget(m_controls);

  auto* loss = new LossPanel(training, dialogs, *m_message);
  auto* right = new QSplitter(Qt::Vertical);
  right->setObjectName("trainSplit");
  right->setHandleWidth(kMargin);
  right->setChildrenCollapsible(false);
  right->addWidget(loss);
  right->addWidget(m_pictures->classCard());
  right->addWidget(m_pictures->sampleCard());
  right->setStretchFactor(0, 1);
  right->setStretchFactor(2, 1);
  auto* columns = new QHBoxLayout;
  columns->setSpacing(kMargin);
  columns->addWidget(left);
  columns->addWidget(right, 1);
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addLayout(columns, 1);
  connect(loss, &LossPanel::samplesChosen, m_pictures, &TrainPictures::openSamples);
  connect(m_pictures, &TrainPictures::pictureChosen, this, &TrainPage::pictureChosen);
  connect(m_controls, &TrainControls::createRequested, this, &TrainPage::createRequested);
  connect(m_controls, &TrainControls::exportRequested, this, &TrainPage::exportRequested);
  connect(m_controls, &TrainControls::queueRequested, this, &TrainPage::queueRequested);
  connectModels();
  showRecipe();
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
  m_form->illustrate(QStringLiteral("loss.timesteps"), m_timesteps);
  layout->addWidget(
      new Fold("expertToggle",
               tr("Expert: %n option(s)", nullptr, static_cast<int>(m_form->paths().size())),
               m_form));
  connect(
      m_form, &OptionForm::edited, this, [this](const QString& path, const api::FieldValue& value) {
        m_project.edit([&](api::TrainRequest& recipe) { writeOption(recipe, toStd(path), value); });
      });
}

void TrainPage::connectModels() {
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
  connect(&m_project, &ProjectModel::opened, this, [this] {
    m_message->dismiss();
    showRecipe();
  });
  connect(&m_project, &ProjectModel::recipeChanged, this, &TrainPage::showRecipe);
  connect(&m_training, &TrainingModel::problemsChanged, this, &TrainPage::showProblems);
  connect(&m_training, &TrainingModel::runsChanged, this, &TrainPage::offerResume);
  connect(&m_training, &TrainingModel::warned, this, [this](const api::Error& error) {
    m_message->showWarning(error);
  });
  connect(&m_training.job(), &Job::ended, this, &TrainPage::showEnd);
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
  m_timesteps->setLoss(recipe.loss);
  m_pictures->showClassTitle();
  showProblems();
}

void TrainPage::focusStart() { m_controls->focusStart(); }

/// In the form, and what the strength comes to.
void TrainPage::showProblems() {
  if (!m_project.isOpen()) return;
  m_form->setProblems(m_training.problems());
  const api::TrainRequest& recipe = m_project.recipe();
  const QLocale locale;
  const QString steps = locale.toString(m_training.plannedSteps());
  m_strengthText->setText(
      recipe.training.steps > 0
          ? tr("%1 steps, set by the expert option; move the slider to follow the photos again")
                .arg(steps)
          : tr("%1 passes per photo = %2 steps")
                .arg(locale.toString(recipe.training.passesPerPhoto, 'g', 6), steps));
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

void TrainPage::offerResume() {
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

}  // namespace likeness::ui

#include "ui/pages/create_page.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFile>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QProgressBar>
#include <QRandomGenerator>
#include <QRegularExpressionValidator>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/picture_strip.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {
namespace {

constexpr int kControlsWidth = 328;
constexpr int kTokensDelayMs = 250;
constexpr qint64 kSeedRange = 1'000'000;  // short enough to say aloud

QToolButton* makeTool(const char* name, const char* iconName, const QString& words) {
  auto* button = new QToolButton;
  button->setObjectName(QLatin1String(name));
  button->setIcon(icon(iconName));
  button->setToolTip(words);
  button->setAccessibleName(words);
  return button;
}

QSpinBox* makeSpin(const char* name, int min, int max) {
  auto* spin = new QSpinBox;
  spin->setObjectName(QLatin1String(name));
  spin->setRange(min, max);
  return spin;
}

}  // namespace

CreatePage::CreatePage(ProjectModel& project,
                       TrainingModel& training,
                       GenerationModel& generation,
                       DialogService& dialogs,
                       QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_training(training),
      m_generation(generation),
      m_dialogs(dialogs),
      m_message(new MessageBar),
      m_view(new ImageView),
      m_history(new PictureStrip(88)),
      m_weights(new QComboBox),
      m_sampler(new QComboBox),
      m_size(new QComboBox),
      m_prompt(new QLineEdit),
      m_negative(new QLineEdit),
      m_seed(new QLineEdit(QStringLiteral("1"))),
      m_choices(makeHint()),
      m_words(makeHint()),
      m_tokens(makeHint()),
      m_status(makeHint()),
      m_guidance(new ValueSlider("guidance", 1, 50, 0.1, 15)),
      m_steps(makeSpin("steps", 1, 1000)),
      m_count(makeSpin("count", 1, 64)),
      m_karras(new QCheckBox(tr("Finer last steps"))),
      m_subject(makeTool("insertSubject", "add", tr("Insert the subject into the prompt"))),
      m_dice(makeTool("seedDice", "dice", tr("Another seed"))),
      m_lock(makeTool("seedLock",
                      "unlock",
                      tr("Keep the seed: the same settings give the same picture again"))),
      m_generate(makePrimary("generate", tr("Generate"))),
      m_cancel(makeButton("generateCancel", tr("Cancel"))),
      m_save(makeButton("savePicture", tr("Save as…"))),
      m_folder(makeButton("openOutputs", tr("Open folder"))),
      m_progress(new QProgressBar) {
  setObjectName("page");
  auto* columns = new QHBoxLayout;
  columns->setSpacing(kMargin);
  columns->addWidget(makePictureSide(), 1);
  columns->addWidget(makeControls());
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addLayout(columns, 1);
  connectModels();
  showProject();
}

QWidget* CreatePage::makePictureSide() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  m_view->setObjectName("pictureView");
  m_view->setAccessibleName(tr("Picture"));
  m_view->setPlaceholder(tr("Your pictures appear here, forming while they are drawn.\nWrite what "
                            "you want to see and press Generate."),
                         "create");
  m_history->setObjectName("history");
  m_history->setAccessibleName(tr("Pictures made so far"));
  m_history->setPlaceholder(
      tr("Every picture you make is kept here and in the project's outputs folder."));
  m_history->setModel(&m_generation.history());
  m_save->setIcon(icon("save"));
  m_folder->setIcon(icon("folder"));
  auto* tools = new QHBoxLayout;
  tools->setSpacing(kGrid);
  m_status->setObjectName("createStatus");
  tools->addWidget(m_status, 1);
  tools->addWidget(m_folder);
  tools->addWidget(m_save);
  layout->addWidget(m_view, 1);
  layout->addWidget(m_progress);
  layout->addLayout(tools);
  layout->addWidget(m_history);
  return card;
}

QWidget* CreatePage::makeSeedRow() {
  m_seed->setObjectName("seed");
  m_seed->setValidator(
      new QRegularExpressionValidator(QRegularExpression(QStringLiteral("[0-9]{1,15}")), m_seed));
  m_lock->setCheckable(true);
  auto* row = makeRow({m_seed, m_lock, m_dice}, 2);
  row->setFocusProxy(m_seed);
  return row;
}

QWidget* CreatePage::makeControls() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  card->setFixedWidth(kControlsWidth);
  m_weights->setObjectName("weights");
  m_weights->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  m_weights->setMinimumContentsLength(12);
  addField(layout,
           tr("Which weights"),
           m_weights,
           tr("The base model as it was, or what a run has learned."));
  m_choices->setObjectName("weightsChoices");
  layout->addWidget(m_choices);
  m_prompt->setObjectName("prompt");
  m_prompt->setPlaceholderText(tr("{subject} on the moon"));
  m_negative->setObjectName("negativePrompt");
  m_negative->setPlaceholderText(tr("nothing"));
  auto* prompt = makeRow({m_prompt, m_subject}, 2);
  prompt->setFocusProxy(m_prompt);
  addField(layout, tr("What to draw"), prompt, tr("{subject} stands for your subject."));
  m_prompt->setAccessibleName(tr("What to draw"));
  m_words->setObjectName("renderedPrompt");
  m_tokens->setObjectName("promptTokens");
  m_tokens->setWordWrap(false);
  m_tokens->setToolTip(
      tr("Tokens of the prompt, of what the model reads at once. Longer prompts "
         "are read in several parts."));
  auto* below = new QHBoxLayout;
  below->setSpacing(kGrid);
  below->addWidget(m_words, 1);
  below->addWidget(m_tokens, 0, Qt::AlignTop);
  layout->addLayout(below);
  addField(layout, tr("Avoid"), m_negative, tr("What the picture should not show."));
  m_guidance->setAccessibleTexts(
      tr("Guidance"),
      tr("How closely the picture follows the words. Move it and watch the same picture change."));
  addField(layout, tr("Guidance: how closely it follows the words"), m_guidance);
  addField(layout,
           tr("Seed"),
           makeSeedRow(),
           tr("The same seed with the same settings gives the same picture."));
  m_seed->setAccessibleName(tr("Seed"));

  m_sampler->setObjectName("sampler");
  for (const api::SamplerInfo& sampler : api::kSamplers)
    m_sampler->addItem(Texts::option(sampler.label), static_cast<int>(sampler.kind));
  m_karras->setObjectName("karras");
  m_karras->setToolTip(
      tr("Karras spacing: spends more of the steps on fine detail. Not with every sampler."));
  m_steps->setValue(25);
  m_count->setValue(4);
  m_size->setObjectName("size");
  m_size->addItem(tr("As the model"), 0);
  for (const int side : {128, 256, 512, 768}) m_size->addItem(tr("%1 × %1").arg(side), side);
  auto* first = new QHBoxLayout;
  first->setSpacing(kGrid);
  addField(first, tr("Sampler"), m_sampler, tr("The method that turns noise into a picture."));
  addField(first, tr("Steps"), m_steps, tr("More steps give cleaner pictures and take longer."));
  auto* second = new QHBoxLayout;
  second->setSpacing(kGrid);
  addField(second,
           tr("Size"),
           m_size,
           tr("In pixels. Sizes far from what the model was made for look odd."));
  addField(second, tr("Pictures"), m_count, tr("How many, each with the next seed."));
  layout->addLayout(first);
  layout->addWidget(m_karras);
  layout->addLayout(second);
  layout->addStretch();
  m_generate->setToolTip(tr("Ctrl+Return"));
  m_cancel->setIcon(icon("stop"));
  layout->addWidget(m_generate);
  layout->addWidget(m_cancel);
  return card;
}

void CreatePage::connectModels() {
  connect(m_generate, &QPushButton::clicked, this, &CreatePage::generate);
  connect(m_prompt, &QLineEdit::returnPressed, this, &CreatePage::generate);
  connect(m_cancel, &QPushButton::clicked, &m_generation, &GenerationModel::cancel);
  connect(m_prompt, &QLineEdit::textChanged, this, &CreatePage::showWords);
  m_tokensTimer.setSingleShot(true);
  m_tokensTimer.setInterval(kTokensDelayMs);
  connect(&m_tokensTimer, &QTimer::timeout, this, &CreatePage::countTokens);
  connect(m_weights, &QComboBox::currentIndexChanged, this, &CreatePage::showWords);
  connect(m_guidance, &ValueSlider::edited, this, &CreatePage::follow);
  connect(m_subject, &QToolButton::clicked, this, [this] {
    m_prompt->insert(QStringLiteral("{subject}"));
    m_prompt->setFocus();
  });
  connect(m_dice, &QToolButton::clicked, this, &CreatePage::rollSeed);
  connect(m_lock, &QToolButton::toggled, this, [this](bool on) {
    m_lock->setIcon(icon(on ? "lock" : "unlock"));
  });
  connect(m_sampler, &QComboBox::currentIndexChanged, this, [this] {
    const auto& info =
        api::samplerInfo(static_cast<api::SamplerKind>(m_sampler->currentData().toInt()));
    m_karras->setEnabled(info.sigmas);
    m_steps->setMaximum(info.maxSteps);
  });
  connect(m_save, &QPushButton::clicked, this, &CreatePage::save);
  connect(m_folder, &QPushButton::clicked, this, [this] {
    m_dialogs.showFolder(fromPath(m_project.project().folder / "outputs"));
  });
  connect(m_weights, &QComboBox::currentIndexChanged, this, &CreatePage::showBase);
  connect(&m_project, &ProjectModel::opened, this, &CreatePage::showProject);
  connect(&m_project, &ProjectModel::recipeChanged, this, [this] {
    showWords();
    showBase();
  });
  connect(&m_training, &TrainingModel::runsChanged, this, &CreatePage::fillWeights);
  connect(&m_training.job(), &Job::changed, this, &CreatePage::showJob);
  connect(&m_generation.job(), &Job::changed, this, &CreatePage::showJob);
  connect(&m_generation.job(), &Job::ended, this, &CreatePage::showEnd);
  connect(&m_generation, &GenerationModel::shown, this, [this](const QImage& image, bool final) {
    m_view->setImage(image);
    m_view->setBadge(final ? QString() : m_generation.isQuick() ? tr("rough look") : tr("forming"));
  });
  connect(&m_generation, &GenerationModel::added, this, [this](int row) {
    m_history->setCurrentIndex(m_generation.history().index(row));
    showHistory(row);
  });
  connect(m_history->selectionModel(),
          &QItemSelectionModel::currentChanged,
          this,
          [this](const QModelIndex& index) {
            if (index.isValid()) showHistory(index.row());
          });
}

void CreatePage::showProject() {
  m_message->dismiss();
  m_generation.clear();
  m_view->setImage({});
  m_view->setBadge({});
  m_shown = -1;
  if (m_project.isOpen()) {
    const api::SamplingOptions& sampling = m_project.recipe().watch.sampling;
    m_guidance->setValue(sampling.guidance);
    m_sampler->setCurrentIndex(m_sampler->findData(static_cast<int>(sampling.sampler)));
    m_prompt->setText(QStringLiteral("{subject}"));
  }
  fillWeights();
  useLatest();
  showWords();
  showJob();
}

void CreatePage::fillWeights() {
  const QVariant before = m_weights->currentData();
  const QSignalBlocker quiet(m_weights);
  m_weights->clear();
  m_weights->addItem(tr("Base model, before training"), QStringList());
  const auto& runs = m_training.runs();
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->checkpoints.empty()) continue;
    const QString folder = fromPath(run->folder), name = fromStd(run->name);
    m_weights->addItem(tr("Run %1, latest (step %2)").arg(name).arg(run->checkpoints.back()),
                       QStringList{folder, "latest"});
    if (run->best && *run->best != run->checkpoints.back())
      m_weights->addItem(tr("Run %1, best (step %2)").arg(name).arg(*run->best),
                         QStringList{folder, "best"});
    for (auto step = run->checkpoints.rbegin() + 1; step < run->checkpoints.rend(); ++step)
      m_weights->addItem(tr("Run %1, step %2").arg(name).arg(*step),
                         QStringList{folder, QString::number(*step)});
  }
  const int kept = m_weights->findData(before);
  const bool baseOnlyBefore = before.toStringList().isEmpty();
  m_weights->setCurrentIndex(baseOnlyBefore && m_weights->count() > 1 ? 1 : std::max(0, kept));
  showBase();
}

void CreatePage::showBase() {
  if (!m_project.isOpen()) return;
  const QString choices = ModelWords::choices(m_project.recipe().base);
  m_choices->setText(breakable(choices));
  m_choices->setVisible(m_weights->currentIndex() == 0 && !choices.isEmpty());
}

void CreatePage::useLatest() { m_weights->setCurrentIndex(m_weights->count() > 1 ? 1 : 0); }

void CreatePage::focusPrompt() {
  m_prompt->setFocus();
  m_prompt->end(false);
}

void CreatePage::showWords() {
  if (!m_project.isOpen()) return;
  const QString words =
      fromStd(api::renderPrompt(toStd(m_prompt->text()), m_project.recipe().subject));
  m_words->setText(words == m_prompt->text() ? tr("Add {subject} to see yours.")
                                             : tr("Says: “%1”").arg(words));
  m_tokensTimer.start();
}

void CreatePage::countTokens() {
  if (!m_project.isOpen()) return;
  const api::GenerateRequest asked = request();
  const quint64 number = ++m_tokensAsked;
  inBackground(
      this,
      [&workspace = m_project.workspace(),
       model = asked.model,
       prompt = api::renderPrompt(asked.prompt, asked.subject)] {
        return workspace.checkToken(model, {}, prompt);
      },
      [this, number](const api::Result<api::TokenCheck>& check) {
        if (number != m_tokensAsked) return;
        m_tokens->setText(check ? tr("%1/%2 tokens").arg(check->promptTokens).arg(check->limit)
                                : QString());
      });
}

qint64 CreatePage::seed() const { return m_seed->text().toLongLong(); }

void CreatePage::rollSeed() {
  m_seed->setText(QString::number(QRandomGenerator::global()->bounded(kSeedRange)));
}

api::GenerateRequest CreatePage::request() const {
  api::GenerateRequest request;
  const QStringList weights = m_weights->currentData().toStringList();
  if (weights.size() == 2) {
    request.model = {toStd(weights[0]), toStd(weights[1]), {}};
  } else {
    request.model = m_project.recipe().base;
  }
  request.subject = m_project.recipe().subject;
  request.prompt = toStd(m_prompt->text().trimmed());
  request.negativePrompt = toStd(m_negative->text().trimmed());
  request.sampling.sampler = static_cast<api::SamplerKind>(m_sampler->currentData().toInt());
  request.sampling.steps = m_steps->value();
  request.sampling.guidance = m_guidance->value();
  request.sampling.karras = m_karras->isEnabled() && m_karras->isChecked();
  request.seed = seed();
  request.count = m_count->value();
  request.width = request.height = m_size->currentData().toInt();
  request.compute = m_project.recipe().compute;
  request.outFolder = m_project.project().folder / "outputs";
  return request;
}

void CreatePage::generate() {
  if (!m_project.isOpen() || !m_generate->isEnabled()) return;
  m_message->dismiss();
  // A fresh seed unless it is kept; the first pictures use the one that stands there.
  if (!m_lock->isChecked() && m_generation.history().rowCount() > 0) rollSeed();
  m_generation.generate(request());
}

void CreatePage::follow() {
  // While a training runs a rough look would only wait behind it.
  if (!m_project.isOpen() || m_training.job().active() || m_prompt->text().trimmed().isEmpty())
    return;
  api::GenerateRequest followed = request();
  if (m_shown >= 0) followed.seed = m_generation.history().at(m_shown).seed;
  m_seed->setText(QString::number(followed.seed));
  m_generation.follow(followed);
}

void CreatePage::showJob() {
  const Job& job = m_generation.job();
  const bool active = job.active();
  m_generate->setEnabled(m_project.isOpen());
  m_cancel->setEnabled(job.state() != JobState::Stopping);
  showInstead(active ? m_cancel : m_generate, active ? m_generate : m_cancel);
  m_progress->setVisible(active);
  m_progress->setRange(0, static_cast<int>(job.progress().total));
  m_progress->setValue(static_cast<int>(job.progress().done));
  m_save->setEnabled(m_shown >= 0);
  const bool behindTraining =
      active && job.state() != JobState::Running && m_training.job().active();
  m_status->setText(
      behindTraining ? tr("Begins when the training has ended")
      : active       ? job.describe()
      : m_shown >= 0 ? m_generation.history().index(m_shown).data(Qt::AccessibleTextRole).toString()
                     : QString());
}

void CreatePage::showEnd() {
  const Job& job = m_generation.job();
  if (job.state() == JobState::Failed) m_message->showError(*job.error());
  if (job.state() == JobState::Cancelled && m_shown >= 0) showHistory(m_shown);
}

void CreatePage::showHistory(int row) {
  m_shown = row;
  m_view->setImage(m_generation.history().at(row).image);
  m_view->setBadge({});
  showJob();
}

void CreatePage::save() {
  if (m_shown < 0) return;
  const PictureItem& item = m_generation.history().at(m_shown);
  const QString target = m_dialogs.savePicture(this, QFileInfo(item.file).fileName());
  if (target.isEmpty()) return;
  // The engine's own file carries the request in its metadata, so it is copied rather than encoded
  // again.
  const QString partial = target + QLatin1String(".part");
  QFile::remove(partial);
  bool saved =
      item.file.isEmpty() ? item.image.save(partial, "PNG") : QFile::copy(item.file, partial);
  if (saved) {
    QFile::remove(target);
    saved = QFile::rename(partial, target);
  }
  if (saved) {
    m_message->showNote(tr("Saved as %1.").arg(QFileInfo(target).fileName()));
  } else {
    m_message->showError({api::ErrorCode::FileUnwritable,
                          {{"file", toStd(target)}, {"reason", "the system refused"}},
                          {}});
  }
}

}  // namespace likeness::ui

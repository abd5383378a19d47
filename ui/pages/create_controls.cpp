#include "ui/pages/create_controls.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QRandomGenerator>
#include <QRegularExpressionValidator>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/pages/extras_panel.h"
#include "ui/pages/prompts_panel.h"
#include "ui/pages/start_panel.h"
#include "ui/pages/weights_box.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/texts.h"
#include "ui/widgets/option_form.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/size_box.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {
namespace {

constexpr int kTokensDelayMs = 250;
constexpr qint64 kSeedRange = 1'000'000;  // short enough to say aloud
constexpr int kPicturesAtOnce = 4;

QSpinBox* makeSpin(const char* name, int min, int max) {
  auto* spin = new QSpinBox;
  spin->setObjectName(QLatin1String(name));
  spin->setRange(min, max);
  return spin;
}

/// Options that the page shows by other means, or that the project has.
QStringList shownOnPage() {
  QStringList skip{"prompt",
                   "negative",
                   "prompts",
                   "embeddings",
                   "seed",
                   "count",
                   "width",
                   "height",
                   "image",
                   "mask",
                   "strength",
                   "hiresScale",
                   "hiresStrength",
                   "previewEvery",
                   "promptTemplate",
                   "negativeTemplate",
                   "sampling.sampler",
                   "sampling.steps",
                   "sampling.guidance",
                   "sampling.karras"};
  for (const OptionField& field : generateOptions())
    if (field.section == "subject" || field.section == "compute") skip << fromStd(field.path);
  return skip;
}

}  // namespace

CreateControls::CreateControls(ProjectModel& project,
                               TrainingModel& training,
                               DialogService& dialogs,
                               MessageBar& message,
                               QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_weights(new WeightsBox(project, training)),
      m_sampler(new QComboBox),
      m_size(new SizeBox(tr("As the model"))),
      m_prompt(new QLineEdit),
      m_negative(new QLineEdit),
      m_seed(new QLineEdit),
      m_choices(makeHint()),
      m_words(makeHint()),
      m_tokens(makeHint()),
      m_guidance(new ValueSlider("guidance", 1, 50, 0.1, 15)),
      m_hiresScale(new ValueSlider("hiresScale", 1, 4, 0.25, 4)),
      m_hiresStrength(new ValueSlider("hiresStrength", 0.01, 1, 0.01, 1)),
      m_steps(makeSpin("steps", 1, 1000)),
      m_count(makeSpin("count", 1, 64)),
      m_karras(new QCheckBox(tr("Finer last steps"))),
      m_subject(makeTool("insertSubject", "add", tr("Insert the subject into the prompt"))),
      m_dice(makeTool("seedDice", "dice", tr("Another seed"))),
      m_lock(makeTool("seedLock",
                      "unlock",
                      tr("Keep the seed: the same settings give the same picture again"))),
      m_start(new StartPanel(project, dialogs, message)),
      m_extras(new ExtrasPanel(project, dialogs, message)),
      m_prompts(new PromptsPanel(dialogs, message)),
      m_form(new OptionForm(generateOptions(), shownOnPage())) {
  setObjectName("scrolled");
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 12, 12, 12);
  layout->setSpacing(kGrid);
  addModel(layout);
  addPrompt(layout);
  addSampling(layout);
  addFolds(layout);
  layout->addStretch();
  connectFields();
  connect(&training, &TrainingModel::runsChanged, this, [this] {
    m_weights->fill();
    showBase();
  });
}

void CreateControls::addModel(QVBoxLayout* layout) {
  addField(layout,
           tr("Which weights"),
           m_weights,
           tr("The base model as it was, or what a run has learned."));
  m_choices->setObjectName("weightsChoices");
  layout->addWidget(m_choices);
}

void CreateControls::addPrompt(QVBoxLayout* layout) {
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
}

QWidget* CreateControls::makeSeedRow() {
  m_seed->setObjectName("seed");
  m_seed->setValidator(
      new QRegularExpressionValidator(QRegularExpression(QStringLiteral("[0-9]{1,15}")), m_seed));
  m_lock->setCheckable(true);
  auto* row = makeRow({m_seed, m_lock, m_dice}, 2);
  row->setFocusProxy(m_seed);
  return row;
}

void CreateControls::addSampling(QVBoxLayout* layout) {
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
  m_sampler->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  m_karras->setObjectName("karras");
  m_karras->setToolTip(
      tr("Karras spacing: spends more of the steps on fine detail. Not with every sampler."));
  m_size->setObjectName("size");
  auto* first = new QHBoxLayout;
  first->setSpacing(kGrid);
  addField(first,
           tr("Sampler"),
           m_sampler,
           tr("The method that turns noise into a picture. The first one suits this model."),
           1);
  addField(first, tr("Steps"), m_steps, tr("More steps give cleaner pictures and take longer."), 1);
  auto* second = new QHBoxLayout;
  second->setSpacing(kGrid);
  addField(second,
           tr("Size"),
           m_size,
           tr("In pixels: choose one, or write width × height. Sizes far from what the model was "
              "made for look odd. As the model: with a picture to begin with, in its shape."),
           1);
  addField(second, tr("Pictures"), m_count, tr("How many, each with the next seed."), 1);
  layout->addLayout(first);
  layout->addWidget(m_karras);
  layout->addLayout(second);
}

QWidget* CreateControls::makeSecondPass() {
  auto* group = new QWidget;
  auto* column = new QVBoxLayout(group);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  m_hiresScale->setAccessibleTexts(
      tr("Enlarge it so many times"),
      tr("Enlarges the picture and draws over it, for larger pictures than the model was made for. "
         "1 does not."));
  m_hiresStrength->setAccessibleTexts(
      tr("Strength of the second pass"),
      tr("How far the second pass may go from the enlarged picture."));
  addField(column, tr("Enlarge it so many times"), m_hiresScale);
  addField(column, tr("Then draw over it: how far to go"), m_hiresStrength);
  return group;
}

void CreateControls::addFolds(QVBoxLayout* layout) {
  m_startFold = new Fold("startFold", tr("Begin from a picture"), m_start);
  m_extrasFold = new Fold("extrasFold", tr("LoRAs and embeddings"), m_extras);
  m_promptsFold = new Fold("promptsFold", tr("Several prompts"), m_prompts);
  m_hiresFold = new Fold("hiresFold", tr("Second pass, larger"), makeSecondPass());
  m_expertFold =
      new Fold("createExpert",
               tr("Expert: %n option(s)", nullptr, static_cast<int>(m_form->paths().size())),
               m_form);
  auto* folds = new QVBoxLayout;
  folds->setSpacing(2);
  for (Fold* fold : {m_startFold, m_extrasFold, m_promptsFold, m_hiresFold, m_expertFold})
    folds->addWidget(fold);
  layout->addLayout(folds);
}

void CreateControls::connectFields() {
  connect(m_prompt, &QLineEdit::returnPressed, this, &CreateControls::generateRequested);
  connect(m_prompt, &QLineEdit::textChanged, this, &CreateControls::showWords);
  connect(m_prompts, &PromptsPanel::changed, this, [this] {
    showWords();
    showSummaries();
  });
  m_tokensTimer.setSingleShot(true);
  m_tokensTimer.setInterval(kTokensDelayMs);
  connect(&m_tokensTimer, &QTimer::timeout, this, &CreateControls::countTokens);
  connect(m_weights, &QComboBox::currentIndexChanged, this, [this] {
    showWords();
    showBase();
  });
  connect(m_guidance, &ValueSlider::edited, this, &CreateControls::guidanceMoved);
  const auto insert = [this](const QString& word) {
    m_prompt->insert(word);
    m_prompt->setFocus();
  };
  connect(
      m_subject, &QToolButton::clicked, this, [insert] { insert(QStringLiteral("{subject}")); });
  connect(m_extras, &ExtrasPanel::wordChosen, this, insert);
  connect(m_dice, &QToolButton::clicked, this, &CreateControls::rollSeed);
  connect(m_lock, &QToolButton::toggled, this, [this](bool on) {
    m_lock->setIcon(icon(on ? "lock" : "unlock"));
  });
  connect(m_sampler, &QComboBox::currentIndexChanged, this, &CreateControls::showSampler);
  for (ValueSlider* slider : {m_hiresScale, m_hiresStrength})
    connect(slider, &ValueSlider::edited, this, &CreateControls::showSummaries);
  connect(m_start, &StartPanel::changed, this, &CreateControls::showSummaries);
  connect(m_extras, &ExtrasPanel::changed, this, &CreateControls::showSummaries);
  connect(
      m_form, &OptionForm::edited, this, [this](const QString& path, const api::FieldValue& value) {
        writeOption(m_expert, toStd(path), value);
        showSummaries();
      });
  connect(&m_project, &ProjectModel::recipeChanged, this, [this] {
    if (m_project.recommended().watch.sampling != m_recommended) suit();
    showWords();
    showBase();
  });
}

void CreateControls::reset() {
  m_weights->fill();
  if (!m_project.isOpen()) return;
  api::GenerateRequest plain;
  plain.model = m_project.recipe().base;
  plain.subject = m_project.recipe().subject;
  plain.prompt = "{subject}";
  plain.count = kPicturesAtOnce;
  m_recommended = m_project.recommended().watch.sampling;
  plain.sampling = m_recommended;
  fillSamplers();
  setRequest(plain);
  m_lock->setChecked(false);
  useLatest();
}

bool CreateControls::setRequest(const api::GenerateRequest& made) {
  // A template is the better text as long as it still says the same.
  const api::SubjectOptions& subject = m_project.recipe().subject;
  const bool sameWords =
      made.subject.token == subject.token && made.subject.classWord == subject.classWord;
  const auto text = [&](const std::string& prompt, const std::string& before) {
    return fromStd(sameWords && !before.empty() ? before : prompt);
  };
  m_prompt->setText(text(made.prompt, made.promptTemplate));
  m_negative->setText(text(made.negativePrompt, made.negativeTemplate));
  m_prompts->setPrompts(made.prompts);
  showExpert(made);
  showSampling(made.sampling);
  setSeed(made.seed);
  m_lock->setChecked(true);
  m_count->setValue(static_cast<int>(made.count));
  m_size->setPixels({static_cast<int>(made.width), static_cast<int>(made.height)});
  m_hiresScale->setValue(made.hiresScale);
  m_hiresStrength->setValue(made.hiresStrength);
  m_start->setRequest(made);
  m_extras->setRequest(made);
  showSummaries();
  return m_weights->choose(made.model);
}

api::GenerateRequest CreateControls::request() const {
  api::GenerateRequest request = m_expert;
  request.model = m_weights->chosen();
  m_extras->fill(request);
  m_start->fill(request);
  request.prompts = m_prompts->prompts();
  if (request.prompts.empty()) request.prompt = toStd(m_prompt->text().trimmed());
  request.negativePrompt = toStd(m_negative->text().trimmed());
  request.subject = m_project.recipe().subject;
  request.sampling.sampler = static_cast<api::SamplerKind>(m_sampler->currentData().toInt());
  request.sampling.steps = m_steps->value();
  request.sampling.guidance = m_guidance->value();
  request.sampling.karras = m_karras->isEnabled() && m_karras->isChecked();
  request.seed = m_seed->text().toLongLong();
  request.count = m_count->value();
  request.width = m_size->pixels().width();
  request.height = m_size->pixels().height();
  request.hiresScale = m_hiresScale->value();
  request.hiresStrength = m_hiresStrength->value();
  request.compute = m_project.recipe().compute;
  request.outFolder = m_project.project().folder / "outputs";
  return request;
}

// ---- what stands in the fields

void CreateControls::useLatest() { m_weights->useLatest(); }

void CreateControls::fillSamplers() {
  const QSignalBlocker quiet(m_sampler);
  m_sampler->clear();
  const auto add = [this](const api::SamplerInfo& info) {
    m_sampler->addItem(Texts::option(info.label), static_cast<int>(info.kind));
  };
  add(api::samplerInfo(m_recommended.sampler));
  m_sampler->insertSeparator(m_sampler->count());
  for (const api::SamplerInfo& info : api::kSamplers)
    if (info.kind != m_recommended.sampler) add(info);
}

void CreateControls::suit() {
  m_recommended = m_project.recommended().watch.sampling;
  fillSamplers();
  showSampling(m_recommended);
  api::GenerateRequest suited = m_expert;
  suited.sampling = m_recommended;
  showExpert(suited);
  showSummaries();
}

void CreateControls::showSampling(const api::SamplingOptions& sampling) {
  m_sampler->setCurrentIndex(m_sampler->findData(static_cast<int>(sampling.sampler)));
  showSampler();
  m_steps->setValue(static_cast<int>(sampling.steps));
  m_guidance->setValue(sampling.guidance);
  m_karras->setChecked(sampling.karras);
}

void CreateControls::showExpert(const api::GenerateRequest& request) {
  api::GenerateRequest recommended;
  recommended.sampling = m_recommended;
  for (const QString& path : m_form->paths())
    writeOption(m_expert, toStd(path), readOption(request, toStd(path)));
  m_form->setRequest(m_expert, recommended);
}

void CreateControls::showSampler() {
  const auto& info =
      api::samplerInfo(static_cast<api::SamplerKind>(m_sampler->currentData().toInt()));
  m_karras->setEnabled(info.sigmas);
  m_steps->setMaximum(info.maxSteps);
  showSummaries();
}

void CreateControls::showBase() {
  if (!m_project.isOpen()) return;
  const QString choices = ModelWords::choices(m_project.recipe().base);
  m_choices->setText(breakable(choices));
  m_choices->setVisible(m_weights->isBase() && !choices.isEmpty());
}

void CreateControls::showSummaries() {
  if (!m_project.isOpen()) return;
  m_startFold->setSummary(m_start->summary());
  m_extrasFold->setSummary(m_extras->summary());
  const int lines = static_cast<int>(m_prompts->prompts().size());
  m_promptsFold->setSummary(lines > 0 ? tr("%n prompt(s)", nullptr, lines) : QString());
  m_hiresFold->setSummary(m_hiresScale->value() > 1 ? tr("%1 times").arg(m_hiresScale->value())
                                                    : QString());
  api::GenerateRequest recommended;
  recommended.sampling = m_recommended;
  const QStringList paths = m_form->paths();
  const auto changed = std::ranges::count_if(paths, [&](const QString& path) {
    return !(readOption(m_expert, toStd(path)) == readOption(recommended, toStd(path)));
  });
  m_expertFold->setSummary(changed > 0 ? tr("%n changed", nullptr, static_cast<int>(changed))
                                       : QString());
  m_form->setProblems(api::validate(request()));
}

void CreateControls::focusPrompt() {
  m_prompt->setFocus();
  m_prompt->end(false);
}

void CreateControls::showWords() {
  if (!m_project.isOpen()) return;
  const QString words =
      fromStd(api::renderPrompt(toStd(m_prompt->text()), m_project.recipe().subject));
  const int lines = static_cast<int>(m_prompts->prompts().size());
  m_words->setText(lines > 0 ? tr("%n prompt(s) below are drawn in its place.", nullptr, lines)
                   : words == m_prompt->text() ? tr("Add {subject} to see yours.")
                                               : tr("Says: “%1”").arg(words));
  m_tokensTimer.start();
}

void CreateControls::countTokens() {
  if (!m_project.isOpen()) return;
  const api::GenerateRequest asked = request();
  const quint64 number = ++m_tokensAsked;
  if (!asked.prompts.empty()) return m_tokens->clear();
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

// ---- what others change

bool CreateControls::keepsSeed() const { return m_lock->isChecked(); }
void CreateControls::setSeed(qint64 seed) { m_seed->setText(QString::number(seed)); }
void CreateControls::rollSeed() { setSeed(QRandomGenerator::global()->bounded(kSeedRange)); }

void CreateControls::loadPrompts(const QString& file) {
  m_promptsFold->setOpen(true);
  m_prompts->load(file);
}

void CreateControls::beginFrom(const QString& picture) {
  m_startFold->setOpen(true);
  m_start->open(picture);
}

void CreateControls::addExtras(const QStringList& files) {
  m_extrasFold->setOpen(true);
  m_extras->add(files);
}

}  // namespace likeness::ui

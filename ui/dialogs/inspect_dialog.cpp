#include "ui/dialogs/inspect_dialog.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDir>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QListWidget>
#include <QProgressBar>
#include <QScrollArea>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kLabelWidth = 150;
constexpr int kProblemLines = 6;         // shown at once; the list scrolls
constexpr int kLongestWord = 250;        // pixels; a longer one does not wrap, so it is cut
constexpr qsizetype kLongestText = 600;  // of a wrapped value; the report has all of it
constexpr qsizetype kMostRows = 100;     // of one section

/// Where a detail of a report comes from.
enum class Origin {
  File,     ///< counted
  Maker,    ///< written into it
  Prompts,  ///< written into it, to be pasted into a prompt
  Purpose   ///< what it is good for, which the window says in its own words
};
struct Label {
  const char* text;
  Origin origin;
};
/// The labels of an inspection's details. One that is not here is shown as it is.
constexpr Label kLabels[] = {{QT_TRANSLATE_NOOP("Options", "Title"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Author"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Description"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Licence"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Trigger words"), Origin::Prompts},
                             {QT_TRANSLATE_NOOP("Options", "Frequent tags"), Origin::Prompts},
                             {QT_TRANSLATE_NOOP("Options", "Usage"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Tags"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Date"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Comment"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Merged from"), Origin::Maker},
                             {QT_TRANSLATE_NOOP("Options", "Use"), Origin::Purpose},
                             {QT_TRANSLATE_NOOP("Options", "Text encoder"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Text encoder 2"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "UNet"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Autoencoder"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Tensors"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Of no use"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Vocabulary"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Rank"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Architecture"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Made for"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Trained on"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Network module"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Stated rank"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Stated alpha"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Steps"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Epochs"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Training pictures"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Training resolution"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Method"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Subject"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Base model"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Photos"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Checkpoints"), Origin::File},
                             {QT_TRANSLATE_NOOP("Options", "Adapter"), Origin::File}};
Origin originOf(const std::string& label) {
  const auto* known =
      std::ranges::find_if(kLabels, [&](const Label& one) { return label == one.text; });
  return known == std::end(kLabels) ? Origin::File : known->origin;
}

/// Wrapped and selectable where it can be wrapped, else one line that is cut.
QWidget* makeValue(const QString& value) {
  const QStringList words = value.split(QLatin1Char(' '));
  const QFontMetrics metrics(QApplication::font());
  const bool wraps = std::ranges::all_of(
      words, [&](const QString& word) { return metrics.horizontalAdvance(word) <= kLongestWord; });
  if (!wraps) return new ElidedLabel(value);
  if (value.size() <= kLongestText) return makeSelectable(value);
  QLabel* label = makeSelectable(value.left(kLongestText).trimmed() + QChar(0x2026));
  label->setToolTip(value);
  return label;
}

/// One line, scrolled by the keyboard, with a button that copies all of it.
QWidget* makeCopyable(const std::string& label, const QString& value) {
  auto* line = new QLineEdit(value);
  line->setObjectName("inspect" + fromStd(label).remove(QLatin1Char(' ')));
  line->setAccessibleName(Texts::option(label));
  line->setReadOnly(true);
  line->setCursorPosition(0);
  line->setToolTip(value);
  auto* copy = new QToolButton;
  copy->setObjectName(line->objectName() + QLatin1String("Copy"));
  copy->setIcon(icon("copy"));
  copy->setToolTip(InspectDialog::tr("Copy"));
  copy->setAccessibleName(InspectDialog::tr("Copy %1").arg(line->accessibleName()));
  QObject::connect(
      copy, &QToolButton::clicked, line, [value] { QApplication::clipboard()->setText(value); });
  return makeRow({line, copy}, 2);
}

}  // namespace

InspectDialog* InspectDialog::open(ProjectModel& project,
                                   DialogService& dialogs,
                                   const QString& model,
                                   QWidget* parent) {
  QWidget* window = parent->window();
  const auto open = window->findChildren<InspectDialog*>(Qt::FindDirectChildrenOnly);
  for (InspectDialog* dialog : open) {
    if (fromStd(dialog->m_model.path) != model || !dialog->isVisible()) continue;
    dialog->raise();
    dialog->activateWindow();
    return dialog;
  }
  auto* dialog = new InspectDialog(project, dialogs, model, window);
  dialog->show();
  return dialog;
}

InspectDialog::InspectDialog(ProjectModel& project,
                             DialogService& dialogs,
                             const QString& model,
                             QWidget* parent)
    : QDialog(parent),
      m_project(project),
      m_dialogs(dialogs),
      m_name(ModelWords::name(model)),
      m_title(new ElidedLabel(m_name)),
      m_where(new ElidedLabel(QDir::toNativeSeparators(
          model == QLatin1String("starter")
              ? fromPath(project.workspace().resources()) + QLatin1String("/starter")
              : model))),
      m_vae(new ElidedLabel),
      m_stack(new QStackedWidget),
      m_choices(nullptr),
      m_prediction(new QComboBox),
      m_ownVae(new QToolButton),
      m_copy(makeButton("inspectCopy", tr("Copy report"))),
      m_use(makePrimary("inspectUse", {})),
      m_close(makeButton("inspectClose", tr("Close"))) {
  setObjectName("inspectDialog");
  setAttribute(Qt::WA_DeleteOnClose);
  setWindowTitle(tr("What is this file?"));
  setSizeGripEnabled(true);
  m_model.path = toStd(model);
  if (isBase()) m_model = project.recipe().base;
  m_title->setObjectName("inspectTitle");
  setTextRole(m_title, TextRole::Title);
  m_where->setObjectName("inspectPath");
  setTextRole(m_where, TextRole::Hint);

  auto* reading = new QWidget;
  auto* readingColumn = new QVBoxLayout(reading);
  readingColumn->setContentsMargins(0, 0, 0, 0);
  auto* busy = new QProgressBar;
  busy->setObjectName("inspectBusy");
  busy->setAccessibleName(tr("Reading"));
  busy->setRange(0, 0);
  readingColumn->addWidget(makeHint(tr("Reading what it says about itself…")));
  readingColumn->addWidget(busy);
  readingColumn->addStretch();
  m_stack->addWidget(reading);

  m_choices = makeChoices();
  m_copy->setIcon(icon("copy"));
  m_copy->setToolTip(tr("All of it as text"));
  m_copy->setEnabled(false);
  auto* buttons = new QHBoxLayout;
  buttons->addWidget(m_copy);
  buttons->addStretch();
  buttons->addWidget(m_close);
  buttons->addWidget(m_use);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  column->setSpacing(kGrid);
  column->addWidget(m_title);
  column->addWidget(m_where);
  column->addWidget(m_stack, 1);
  column->addWidget(m_choices);
  column->addLayout(buttons);
  connect(
      m_copy, &QPushButton::clicked, this, [this] { QApplication::clipboard()->setText(m_text); });
  connect(m_use, &QPushButton::clicked, this, &InspectDialog::use);
  connect(m_close, &QPushButton::clicked, this, &QDialog::reject);
  connect(&m_project, &ProjectModel::opened, this, [this] {
    if (isBase()) choose(m_project.recipe().base);
    showChoices();
  });
  connect(&m_project, &ProjectModel::recipeChanged, this, &InspectDialog::showChoices);
  setMinimumSize(500, 300);
  resize(600, 660);
  m_close->setFocus();
  read();
}

QWidget* InspectDialog::makeChoices() {
  m_prediction->setObjectName("inspectPrediction");
  m_prediction->addItem(tr("as the file says"), static_cast<int>(api::PredictionChoice::Auto));
  for (const auto one : {api::PredictionChoice::Epsilon,
                         api::PredictionChoice::VPrediction,
                         api::PredictionChoice::Sample})
    m_prediction->addItem(ModelWords::prediction(one), static_cast<int>(one));
  m_vae->setObjectName("inspectVae");
  auto* choose = makeButton("inspectVaeChoose", tr("Choose…"));
  choose->setAccessibleName(tr("Choose an autoencoder"));
  m_ownVae->setObjectName("inspectVaeOwn");
  m_ownVae->setIcon(icon("close"));
  m_ownVae->setToolTip(tr("Use the model's own again"));
  m_ownVae->setAccessibleName(m_ownVae->toolTip());

  auto* card = new QWidget;
  card->setObjectName("inspectChoices");
  auto* column = new QVBoxLayout(card);
  column->setContentsMargins(0, kGrid, 0, kGrid);
  column->setSpacing(kGrid);
  column->addWidget(makeSection(tr("What a file cannot always tell")));
  auto* row = new QHBoxLayout;
  row->setSpacing(kMargin);
  addField(row,
           tr("Predicts"),
           m_prediction,
           tr("When every picture of a model comes out as noise or as one flat colour, the other "
              "one is right."),
           2);
  addField(row,
           tr("Autoencoder (VAE)"),
           makeRow({m_vae, m_ownVae, choose}, 4),
           tr("A separate file in place of the one in the model, or for a model without one."),
           3);
  column->addLayout(row);

  connect(m_prediction, &QComboBox::activated, this, [this] {
    api::ModelRef model = m_model;
    model.prediction = static_cast<api::PredictionChoice>(m_prediction->currentData().toInt());
    this->choose(model);
  });
  const auto takeVae = [this](const QString& file) {
    api::ModelRef model = m_model;
    model.vae = toPath(file);
    this->choose(model);
  };
  connect(choose, &QPushButton::clicked, this, [this, takeVae] {
    const QString file =
        m_dialogs.modelFiles(this, tr("Choose an autoencoder (VAE)"), false).value(0);
    if (!file.isEmpty()) takeVae(file);
  });
  connect(m_ownVae, &QToolButton::clicked, this, [takeVae] { takeVae({}); });
  return card;
}

bool InspectDialog::isBase() const {
  return m_project.isOpen() && m_project.recipe().base.path == m_model.path;
}

void InspectDialog::choose(const api::ModelRef& model) {
  if (model == m_model) return;
  m_model = model;
  read();
}

void InspectDialog::showChoices() {
  const bool possible = m_project.isOpen() && (m_whole || isBase());
  m_choices->setVisible(possible);
  m_prediction->setCurrentIndex(m_prediction->findData(static_cast<int>(m_model.prediction)));
  m_vae->setFullText(m_model.vae.empty() ? tr("the model's own")
                                         : QDir::toNativeSeparators(fromPath(m_model.vae)));
  m_ownVae->setVisible(!m_model.vae.empty());
  m_use->setVisible(possible);
  m_use->setText(isBase() ? tr("Apply") : tr("Use as base model"));
  m_use->setEnabled(possible && m_report && api::isWholeModel(m_report->type) &&
                    m_report->problems.empty() && m_model != m_project.recipe().base);
  // Return does what was prepared, and closes where nothing was.
  (m_use->isEnabled() ? m_use : m_close)->setDefault(true);
}

void InspectDialog::use() {
  if (isBase()) {
    m_project.edit([&](api::TrainRequest& recipe) { recipe.base = m_model; });
    return accept();
  }
  m_use->setEnabled(false);
  inBackground(
      this,
      [&workspace = m_project.workspace(), model = m_model] {
        return workspace.recommendedRecipe(model);
      },
      [this, model = m_model](const api::Result<api::TrainRequest>& recipe) {
        if (!recipe) return showError(recipe.error());
        m_project.setBase(model, *recipe);
        accept();
      });
}

void InspectDialog::read() {
  m_report.reset();
  showChoices();
  inBackground(
      this,
      [&workspace = m_project.workspace(), model = m_model] { return workspace.inspect(model); },
      [this, asked = ++m_asked](const api::Result<api::ModelReport>& report) {
        if (asked != m_asked) return;
        if (!report) return showError(report.error());
        m_report = *report;
        m_whole = m_whole || api::isWholeModel(report->type);
        showReport();
        showChoices();
      });
}

void InspectDialog::showPage(QWidget* page) {
  delete m_stack->currentWidget();
  m_stack->addWidget(page);
  m_copy->setEnabled(true);
}

void InspectDialog::showError(const api::Error& error) {
  const ErrorText text = Texts::forError(error);
  m_text = QStringList{m_name, m_where->fullText(), {}, text.sentence, text.hint, text.detail}.join(
      QLatin1Char('\n'));
  auto* page = new QWidget;
  auto* column = new QVBoxLayout(page);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  const auto add = [&](const char* name, const QString& words, const char* tone) {
    auto* label = new QLabel(breakable(words));
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
    label->setObjectName(QLatin1String(name));
    setTone(label, tone);
    column->addWidget(label);
  };
  add("inspectError", text.sentence, "error");
  if (!text.hint.isEmpty()) add("inspectHint", text.hint, "");
  column->addStretch();
  showPage(page);
}

void InspectDialog::addProblems(QVBoxLayout* column) {
  if (m_report->problems.empty()) return;
  const int count = static_cast<int>(m_report->problems.size());
  const QString words = tr("%n problem(s)", nullptr, count);
  auto* title = makeSection(words);
  title->setObjectName("inspectProblemCount");
  setTone(title, "error");
  auto* list = new QListWidget;
  list->setObjectName("inspectProblems");
  list->setAccessibleName(words);
  list->setProperty("well", true);
  list->setWordWrap(true);
  list->setResizeMode(QListView::Adjust);
  list->setSelectionMode(QAbstractItemView::NoSelection);
  list->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  m_text += words + QLatin1Char('\n');
  for (const std::string& problem : m_report->problems) {
    const QString text = fromStd(problem);
    auto* item = new QListWidgetItem(text, list);
    item->setToolTip(text);
    m_text += QStringLiteral("- %1\n").arg(text);
  }
  m_text += QLatin1Char('\n');
  // A few are shown whole, many scroll.
  list->setFixedHeight(std::min(count, kProblemLines) * (list->fontMetrics().height() + 8) + 8);
  column->addWidget(title);
  column->addWidget(list);
}

void InspectDialog::addSection(QVBoxLayout* column, const QString& title, const QList<Row>& rows) {
  auto* form = new QFormLayout;
  form->setHorizontalSpacing(kMargin);
  form->setVerticalSpacing(kGrid);
  form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
  form->setLabelAlignment(Qt::AlignLeft);
  qsizetype shown = 0;
  QString text;
  for (const Row& row : rows) {
    if (row.value.isEmpty()) {
      delete row.field;
      continue;
    }
    text += QStringLiteral("%1: %2\n").arg(row.label, row.value);
    if (++shown > kMostRows) continue;
    auto* label = new ElidedLabel(row.label);
    label->setFixedWidth(kLabelWidth);
    setTextRole(label, TextRole::Hint);
    QWidget* field = row.field ? row.field : makeValue(row.value);
    if (field->accessibleName().isEmpty())
      field->setAccessibleName(QStringLiteral("%1: %2").arg(row.label, row.value));
    form->addRow(label, field);
  }
  if (shown == 0) {
    delete form;
    return;
  }
  m_text += title + QLatin1Char('\n') + text + QLatin1Char('\n');
  column->addSpacing(kGrid);
  column->addWidget(makeSection(title));
  column->addLayout(form);
  if (shown > kMostRows)
    column->addWidget(
        makeHint(tr("%n more in the copied report", nullptr, static_cast<int>(shown - kMostRows))));
}

void InspectDialog::showReport() {
  const api::ModelReport& report = *m_report;
  const QString sentence = ModelWords::sentence(report);
  const QString place = ModelWords::place(report.type);
  m_text = QStringList{m_name, m_where->fullText(), {}, sentence, {}, {}}.join(QLatin1Char('\n'));

  auto* inside = new QWidget;
  inside->setObjectName("scrolled");
  auto* column = new QVBoxLayout(inside);
  column->setContentsMargins(0, 0, kGrid, 0);
  column->setSpacing(kGrid);
  auto* what = makeSection(breakable(sentence));
  what->setObjectName("inspectSentence");
  what->setWordWrap(true);
  what->setTextFormat(Qt::PlainText);
  column->addWidget(what);
  if (!place.isEmpty() && report.problems.empty()) {
    auto* hint = makeHint(place);
    hint->setObjectName("inspectPlace");
    column->addWidget(hint);
  }
  addProblems(column);

  QString prediction = ModelWords::prediction(report.prediction);
  if (report.predictionGuessed)
    prediction = tr("%1, a guess: the file does not say").arg(prediction);
  else if (m_model.prediction != api::PredictionChoice::Auto)
    prediction = tr("%1, as you chose").arg(prediction);
  QList<Row> facts{{tr("Family"), fromStd(report.family)}, {tr("Predicts"), prediction}};
  if (report.resolution > 0)
    facts << Row{tr("Made for"), tr("%1 × %1 pixels").arg(report.resolution)};
  if (report.parameters > 0) facts << Row{tr("Parameters"), ModelWords::count(report.parameters)};
  facts << Row{tr("Numbers"), ModelWords::numbers(report.dtype)};
  if (report.bytes > 0) facts << Row{tr("Size"), Texts::bytes(report.bytes)};

  QList<Row> maker, counted;
  for (const auto& [key, text] : report.details) {
    const QString value = fromStd(text).simplified();
    const Origin origin = originOf(key);
    if (value.isEmpty() || (origin == Origin::Purpose && !place.isEmpty())) continue;
    Row row{Texts::option(key), value};
    if (origin == Origin::Prompts) row.field = makeCopyable(key, value);
    (origin == Origin::Maker || origin == Origin::Prompts ? maker : counted) << row;
  }
  addSection(column, tr("The model"), facts);
  addSection(column, tr("What its maker says"), maker);
  addSection(column, tr("Inside"), counted);
  column->addStretch();

  auto* scroll = new QScrollArea;
  scroll->setObjectName("inspectScroll");
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setWidgetResizable(true);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll->setWidget(inside);
  showPage(scroll);
}

}  // namespace likeness::ui

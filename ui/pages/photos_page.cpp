#include "ui/pages/photos_page.h"

#include <QComboBox>
#include <QDir>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/dialogs/dialog_service.h"
#include "ui/dialogs/inspect_dialog.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/photo_grid.h"

namespace likeness::ui {
namespace {

constexpr int kWordsDelayMs = 300;
constexpr int kLargeSide = 1024;
// Rows of the base models that open a file dialog.
const QString kChooseFile = QStringLiteral(":file");
const QString kChooseFolder = QStringLiteral(":folder");

QLineEdit* makeEdit(const char* name, const QString& example) {
  auto* edit = new QLineEdit;
  edit->setObjectName(QLatin1String(name));
  edit->setPlaceholderText(example);
  return edit;
}

/// What training sees of a picture when nothing else was chosen: the centre square.
QRectF centreSquare(const QSize& size) {
  const double side = std::min(size.width(), size.height());
  return {(size.width() - side) / 2 / size.width(),
          (size.height() - side) / 2 / size.height(),
          side / size.width(),
          side / size.height()};
}

/// Why a model cannot be the base, as the end of a sentence; empty when it can.
QString baseFault(const api::ModelReport& report) {
  const QString kind = fromStd(report.kind);
  switch (report.type) {
    case api::ModelType::Adapter:
      return PhotosPage::tr("it is an adapter (%1), which only changes a model.").arg(kind);
    case api::ModelType::Embedding:
      return PhotosPage::tr("it is an embedding, a single word for prompts.");
    case api::ModelType::Autoencoder:
      return PhotosPage::tr("it is an autoencoder (VAE), one part of a model.");
    default:
      break;
  }
  if (!report.problems.empty()) return fromStd(report.problems.front());
  return api::isWholeModel(report.type) ? QString()
                                        : PhotosPage::tr("it is of another kind (%1).").arg(kind);
}

}  // namespace

PhotosPage::PhotosPage(ProjectModel& project,
                       PhotosModel& photos,
                       DialogService& dialogs,
                       QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_photos(photos),
      m_dialogs(dialogs),
      m_message(new MessageBar),
      m_name(makeEdit("subjectName", tr("Bo"))),
      m_token(makeEdit("token", QStringLiteral("sks"))),
      m_caption(makeEdit("caption", {})),
      m_class(new QComboBox),
      m_base(new QComboBox),
      m_tokenCheck(makeHint()),
      m_baseChoices(makeHint()),
      m_photoTitle(new ElidedLabel),
      m_findings(new QLabel),
      m_summary(new QLabel),
      m_baseInfo(new QToolButton),
      m_grid(new PhotoGrid),
      m_inspector(nullptr),
      m_large(new ImageView),
      m_add(makeButton("addPhotos", tr("Add photos…"))),
      m_exclude(makeButton("excludePhoto", tr("Leave out"))),
      m_remove(makeButton("removePhoto", tr("Remove"))),
      m_next(makePrimary("goTrain", tr("Train"))) {
  setObjectName("page");
  auto* subject = makeSubjectCard();
  m_inspector = makeInspector();
  m_grid->setObjectName("photoGrid");
  m_grid->setAccessibleName(tr("Photos"));
  m_grid->setModel(&photos);
  QVBoxLayout* gridLayout = nullptr;
  auto* gridCard = makeCard(&gridLayout);
  gridLayout->addWidget(m_grid, 1);

  auto* middle = new QHBoxLayout;
  middle->setSpacing(kMargin);
  middle->addWidget(gridCard, 3);
  middle->addWidget(m_inspector, 2);
  m_add->setIcon(icon("add"));
  m_next->setIcon(icon("arrow-right", Tint::OnAccent));
  m_next->setLayoutDirection(Qt::RightToLeft);
  m_summary->setObjectName("photosSummary");
  auto* bottom = new QHBoxLayout;
  bottom->setSpacing(kMargin);
  bottom->addWidget(m_add);
  bottom->addWidget(m_summary, 1);
  bottom->addWidget(m_next);
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addWidget(subject);
  page->addLayout(middle, 1);
  page->addLayout(bottom);
  connectFields();
  showProject();
}

QWidget* PhotosPage::makeSubjectCard() {
  m_class->setObjectName("classWord");
  m_class->setEditable(true);
  m_class->setInsertPolicy(QComboBox::NoInsert);
  m_class->addItems({"dog",   "cat",  "toy",      "backpack", "bag",     "boot",  "bottle",
                     "bowl",  "can",  "candle",   "car",      "cartoon", "chair", "clock",
                     "cup",   "doll", "figurine", "glasses",  "house",   "man",   "person",
                     "plant", "shoe", "teapot",   "vase",     "woman"});
  m_class->lineEdit()->setPlaceholderText(tr("dog, toy, cup…"));
  m_base->setObjectName("baseModel");
  m_base->setMinimumContentsLength(14);
  m_base->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  m_baseInfo->setObjectName("baseModelInfo");
  m_baseInfo->setIcon(icon("info", Tint::Muted));
  m_baseInfo->setToolTip(tr("What this model is"));
  m_baseInfo->setAccessibleName(tr("What this model is"));
  m_tokenCheck->setObjectName("tokenCheck");
  m_baseChoices->setObjectName("baseChoices");
  m_baseChoices->setAlignment(Qt::AlignRight);

  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  auto* row = new QHBoxLayout;
  row->setSpacing(kMargin);
  addField(
      row, tr("Who or what is it?"), m_name, tr("Your own name for it, for your eyes only."), 3);
  addField(row,
           tr("It is a (required)"),
           m_class,
           tr("One everyday word for the kind of thing it is. The model starts from what it knows "
              "of it."),
           3);
  addField(
      row,
      tr("Written in prompts as"),
      m_token,
      tr("A rare short word that will mean your subject. It should be one token of the model."),
      2);
  auto* base = makeRow({m_base, m_baseInfo}, 4);
  base->setFocusProxy(m_base);
  addField(row,
           tr("Base model"),
           base,
           tr("What training starts from: the starter model, a file (.safetensors, .ckpt) or a "
              "diffusers "
              "folder."),
           4);
  m_base->setAccessibleName(tr("Base model"));
  layout->addLayout(row);
  auto* hints = new QHBoxLayout;
  hints->setSpacing(kMargin);
  hints->addWidget(m_tokenCheck, 8, Qt::AlignTop);
  hints->addWidget(m_baseChoices, 4);
  layout->addLayout(hints);
  return card;
}

QWidget* PhotosPage::makeInspector() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  setTextRole(m_photoTitle, TextRole::Section);
  m_large->setPlaceholder(
      tr("Choose a photo to see it large, with the part that training will see."), "photos");
  m_large->setObjectName("largePhoto");
  m_large->setAccessibleName(tr("The chosen photo"));
  m_findings->setObjectName("photoFindings");
  m_findings->setWordWrap(true);
  m_findings->setTextFormat(Qt::PlainText);
  layout->addWidget(m_photoTitle);
  layout->addWidget(m_large, 1);
  layout->addWidget(m_findings);
  addField(layout,
           tr("Caption"),
           m_caption,
           tr("What this photo shows, if it is more than the subject. {subject} stands for it."));
  m_exclude->setIcon(icon("eye-off"));
  m_exclude->setToolTip(tr("Keep the photo here, but train without it (Space)"));
  m_remove->setIcon(icon("remove"));
  m_remove->setToolTip(tr("Take the photo out of the project (Delete)"));
  auto* buttons = new QHBoxLayout;
  buttons->addWidget(m_exclude);
  buttons->addWidget(m_remove);
  buttons->addStretch();
  layout->addLayout(buttons);
  card->setMinimumWidth(280);
  return card;
}

void PhotosPage::connectFields() {
  const auto edit = [this](auto member) {
    return [this, member](const QString& text) {
      m_project.edit(
          [&](api::TrainRequest& recipe) { recipe.subject.*member = toStd(text.trimmed()); });
    };
  };
  connect(m_name, &QLineEdit::textEdited, this, edit(&api::SubjectOptions::name));
  connect(m_token, &QLineEdit::textEdited, this, edit(&api::SubjectOptions::token));
  connect(m_class, &QComboBox::currentTextChanged, this, edit(&api::SubjectOptions::classWord));
  connect(m_caption, &QLineEdit::textEdited, this, [this](const QString& text) {
    if (current() >= 0) m_photos.setCaption(current(), text);
  });
  connect(m_base, &QComboBox::activated, this, &PhotosPage::chooseBase);
  connect(m_baseInfo, &QToolButton::clicked, this, [this] {
    openInspector(fromStd(m_project.recipe().base.path));
  });

  const auto add = [this] { m_photos.add(m_dialogs.photos(this)); };
  connect(m_add, &QPushButton::clicked, this, add);
  connect(m_grid, &PhotoGrid::addRequested, this, add);
  const auto remove = [this] { m_photos.remove(m_grid->selectedRows()); };
  connect(m_remove, &QPushButton::clicked, this, remove);
  connect(m_grid, &PhotoGrid::removeRequested, this, remove);
  const auto exclude = [this] {
    if (current() < 0) return;
    const bool out = !m_photos.index(current()).data(PhotosModel::ExcludedRole).toBool();
    for (const int row : m_grid->selectedRows()) m_photos.setExcluded(row, out);
  };
  connect(m_exclude, &QPushButton::clicked, this, exclude);
  connect(m_grid, &PhotoGrid::excludeRequested, this, exclude);
  connect(m_next, &QPushButton::clicked, this, &PhotosPage::trainRequested);

  connect(m_grid->selectionModel(),
          &QItemSelectionModel::selectionChanged,
          this,
          &PhotosPage::showSelection);
  connect(&m_photos, &QAbstractItemModel::dataChanged, this, &PhotosPage::showSelection);
  connect(&m_photos, &QAbstractItemModel::modelReset, this, &PhotosPage::showSelection);
  connect(&m_photos, &PhotosModel::summaryChanged, this, &PhotosPage::showSummary);
  connect(&m_photos, &PhotosModel::refused, this, [this](const QStringList& sentences) {
    m_message->showNote(
        tr("%n file(s) could not be used.", nullptr, static_cast<int>(sentences.size())),
        sentences.mid(0, 6).join(QLatin1Char('\n')));
  });
  connect(&m_photos, &PhotosModel::understood, this, [this](const QString& sentence) {
    m_message->showNote(sentence);
  });
  connect(&m_project, &ProjectModel::opened, this, &PhotosPage::showProject);
  connect(&m_project, &ProjectModel::recipeChanged, this, &PhotosPage::showRecipe);
  m_wordsTimer.setSingleShot(true);
  m_wordsTimer.setInterval(kWordsDelayMs);
  connect(&m_wordsTimer, &QTimer::timeout, this, &PhotosPage::checkWords);
}

int PhotosPage::current() const {
  const QList<int> rows = m_grid->selectedRows();
  return rows.isEmpty() ? -1 : rows.first();
}

void PhotosPage::showProject() {
  m_message->dismiss();
  fillBases();
  showRecipe();
  showSelection();
  showSummary();
}

void PhotosPage::showRecipe() {
  if (!m_project.isOpen()) return;
  const api::SubjectOptions& subject = m_project.recipe().subject;
  // A field that already says the same is left alone: the cursor and a half-written blank stay.
  const auto show = [](QLineEdit* edit, const std::string& text) {
    if (toStd(edit->text().trimmed()) != text) edit->setText(fromStd(text));
  };
  const QSignalBlocker quiet(m_class);
  show(m_name, subject.name);
  show(m_token, subject.token);
  show(m_class->lineEdit(), subject.classWord);
  const api::ModelRef& base = m_project.recipe().base;
  if (m_base->currentData().toString() != fromStd(base.path)) fillBases();
  const QString choices = ModelWords::choices(base);
  m_baseChoices->setText(breakable(choices));
  m_baseChoices->setVisible(!choices.isEmpty());
  m_wordsTimer.start();
}

void PhotosPage::checkWords() {
  if (!m_project.isOpen()) return;
  const api::TrainRequest& recipe = m_project.recipe();
  if (recipe.subject.classWord.empty()) {
    m_tokenCheck->setText(
        tr("Say what kind of thing it is: that word is what the model builds on."));
    setTone(m_tokenCheck, "warning");
    return;
  }
  const quint64 asked = ++m_wordsAsked;
  const std::string prompt = api::renderPrompt(recipe.subject.subjectPrompt, recipe.subject);
  inBackground(
      this,
      [&workspace = m_project.workspace(),
       base = recipe.base,
       token = recipe.subject.token,
       prompt] { return workspace.checkToken(base, token, prompt); },
      [this, asked, token = fromStd(recipe.subject.token), prompt](
          const api::Result<api::TokenCheck>& check) {
        if (asked != m_wordsAsked) return;
        if (!check) {
          m_tokenCheck->setText(Texts::forError(check.error()).sentence);
          setTone(m_tokenCheck, "warning");
        } else if (check->pieces.size() == 1) {
          m_tokenCheck->setText(
              tr("✓ “%1” is one token. Prompts will say “%2”.").arg(token, fromStd(prompt)));
          setTone(m_tokenCheck, "");
        } else {
          QStringList pieces;
          for (const std::string& piece : check->pieces) pieces << fromStd(piece);
          m_tokenCheck->setText(tr("“%1” is %n tokens of this model (%2). A short rare word such "
                                   "as sks learns better.",
                                   nullptr,
                                   static_cast<int>(check->pieces.size()))
                                    .arg(token, pieces.join(QStringLiteral(" + "))));
          setTone(m_tokenCheck, "warning");
        }
      });
}

void PhotosPage::fillBases() {
  const QSignalBlocker quiet(m_base);
  m_base->clear();
  const auto add = [this](const QString& path) {
    m_base->addItem(ModelWords::name(path), path);
    m_base->setItemData(m_base->count() - 1, QDir::toNativeSeparators(path), Qt::ToolTipRole);
  };
  m_base->addItem(ModelWords::name("starter"), QStringLiteral("starter"));
  if (m_project.isOpen()) {
    const QString path = fromStd(m_project.recipe().base.path);
    const QStringList recent = m_project.recentBases();
    if (path != QLatin1String("starter") && !recent.contains(path)) add(path);
    for (const QString& other : recent) add(other);
    m_base->setCurrentIndex(m_base->findData(path));
  }
  m_base->insertSeparator(m_base->count());
  m_base->addItem(tr("Choose a file…"), kChooseFile);
  m_base->addItem(tr("Choose a folder…"), kChooseFolder);
}

void PhotosPage::chooseBase(int index) {
  QString path = m_base->itemData(index).toString();
  if (path == kChooseFolder)
    path = m_dialogs.modelFolder(this);
  else if (path == kChooseFile)
    path = m_dialogs.modelFiles(this, tr("Choose a base model"), false).value(0);
  if (path.isEmpty() || fromStd(m_project.recipe().base.path) == path) return fillBases();
  setBase(path);
}

void PhotosPage::setBase(const QString& path) {
  struct Looked {
    api::Result<api::ModelReport> report;
    api::Result<api::TrainRequest> recipe = api::TrainRequest{};
  };
  api::ModelRef base;
  base.path = toStd(path);
  m_base->setEnabled(false);
  inBackground(
      this,
      [&workspace = m_project.workspace(), base] {
        Looked looked{workspace.inspect(base)};
        if (looked.report && baseFault(*looked.report).isEmpty())
          looked.recipe = workspace.recommendedRecipe(base);
        return looked;
      },
      [this, base, path](const Looked& looked) {
        m_base->setEnabled(true);
        m_message->dismiss();
        if (!looked.report) {
          m_message->showError(looked.report.error());
        } else if (const QString fault = baseFault(*looked.report); !fault.isEmpty()) {
          m_message->showOffer(
              tr("“%1” cannot be a base model: %2").arg(ModelWords::name(path), fault),
              api::isWholeModel(looked.report->type) ? QString()
                                                     : ModelWords::place(looked.report->type),
              tr("What is this file?"),
              [this, path] { openInspector(path); },
              tr("Close"));
        } else if (!looked.recipe) {
          m_message->showError(looked.recipe.error());
        } else {
          m_project.setBase(base, *looked.recipe);
        }
        fillBases();
      });
}

void PhotosPage::openInspector(const QString& model) {
  InspectDialog::open(m_project, m_dialogs, model, this);
}

void PhotosPage::showSelection() {
  const int row = current();
  const bool any = row >= 0;
  for (QWidget* widget : {static_cast<QWidget*>(m_caption),
                          static_cast<QWidget*>(m_exclude),
                          static_cast<QWidget*>(m_remove)})
    widget->setEnabled(any);
  m_findings->setVisible(any);
  auto* title = static_cast<ElidedLabel*>(m_photoTitle);
  if (!any) {
    title->setFullText(tr("No photo chosen"));
    m_large->setImage({});
    m_caption->clear();
    return;
  }
  const QModelIndex index = m_photos.index(row);
  title->setFullText(index.data().toString());
  const QString caption = index.data(PhotosModel::CaptionRole).toString();
  if (m_caption->text().trimmed() != caption) m_caption->setText(caption);
  // What is used while the field is empty.
  const api::SubjectOptions& subject = m_project.recipe().subject;
  const std::string beside = toStd(index.data(PhotosModel::BesideCaptionRole).toString());
  m_caption->setPlaceholderText(
      fromStd(api::renderPrompt(beside.empty() ? subject.subjectPrompt : beside, subject))
          .replace(QLatin1Char('\n'), QStringLiteral("  |  ")));
  const bool excluded = index.data(PhotosModel::ExcludedRole).toBool();
  m_exclude->setText(excluded ? tr("Use again") : tr("Leave out"));
  const QString error = index.data(PhotosModel::ErrorRole).toString();
  const QStringList findings = index.data(PhotosModel::FindingsRole).toStringList();
  m_findings->setText(!error.isEmpty() ? error
                      : findings.isEmpty()
                          ? tr("Nothing to remark. The frame shows what training will see.")
                          : findings.join(QLatin1Char('\n')));
  setTone(m_findings, !error.isEmpty() ? "error" : findings.isEmpty() ? "" : "warning");
  if (!error.isEmpty()) return m_large->setImage({});

  const QString file = index.data(PhotosModel::FileRole).toString();
  if (m_large->property("file").toString() == file && !m_large->image().isNull()) return;
  m_large->setProperty("file", file);
  inBackground(
      this,
      [&workspace = m_project.workspace(), file] {
        return workspace.readImage(toPath(file), kLargeSide);
      },
      [this, file](const api::Result<api::Image>& image) {
        if (!image || m_large->property("file").toString() != file || current() < 0) return;
        m_large->setImage(toQImage(*image));
        m_large->setFrame(centreSquare({image->width, image->height}));
      });
}

void PhotosPage::showSummary() {
  QStringList parts;
  const int usable = m_photos.usable();
  parts << (m_photos.rowCount() == 0 ? tr("No photos yet") : tr("%n photo(s)", nullptr, usable));
  if (const int check = m_photos.toCheck(); check > 0) parts << tr("%n to check", nullptr, check);
  if (const int out = m_photos.rowCount() - usable; out > 0)
    parts << tr("%n left out", nullptr, out);
  if (m_photos.adding()) parts << tr("copying…");
  if (usable > 0 && usable < 3) parts << tr("3 to 5 are best");
  m_summary->setText(parts.join(QStringLiteral(" · ")));
  m_next->setEnabled(usable > 0);
}

}  // namespace likeness::ui

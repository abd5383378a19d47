#include "ui/pages/start_panel.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLocale>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/dialogs/dialog_service.h"
#include "ui/models/project_model.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/util/palette.h"
#include "ui/widgets/file_drop.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/mask_painter.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {
namespace {

constexpr int kStartSide = 1024;  // pixels; a mask is painted on so many
constexpr int kStartHeight = 140;

QString fileName(const QString& path) { return QFileInfo(path).fileName(); }

/// One file that may be a picture.
bool isOneFile(const QStringList& files) {
  return files.size() == 1 && !isModelPath(files.first()) && !QFileInfo(files.first()).isDir();
}

}  // namespace

StartPanel::StartPanel(ProjectModel& project,
                       DialogService& dialogs,
                       MessageBar& message,
                       QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_dialogs(dialogs),
      m_message(message),
      m_view(new ImageView),
      m_browse(makeButton("startBrowse", tr("Browse…"))),
      m_paint(makeButton("maskPaint", tr("Paint…"))),
      m_maskBrowse(makeButton("maskBrowse", tr("File…"))),
      m_remove(makeTool("startRemove", "remove", tr("Begin without a picture"))),
      m_maskRemove(makeTool("maskRemove", "remove", tr("Draw the whole picture anew"))),
      m_name(new ElidedLabel),
      m_maskName(new ElidedLabel),
      m_strength(new ValueSlider("startStrength", 0.01, 1, 0.01, 1)),
      m_details(new QWidget) {
  m_view->setObjectName("startPicture");
  m_view->setAccessibleName(tr("Picture to begin with"));
  m_view->setPlaceholder(tr("Drop a picture here, or browse."), "photos");
  m_view->setFixedHeight(kStartHeight);
  m_browse->setAccessibleName(tr("Browse for a picture to begin with"));
  m_name->setObjectName("startName");
  m_maskName->setObjectName("maskName");
  setTextRole(m_name, TextRole::Hint);
  setTextRole(m_maskName, TextRole::Hint);
  m_strength->setAccessibleTexts(
      tr("How far to go from it"),
      tr("Near 0 the picture stays as it is, 1 keeps hardly anything of it."));

  auto* details = new QVBoxLayout(m_details);
  details->setContentsMargins(0, 0, 0, 0);
  details->setSpacing(kGrid);
  addField(details, tr("How far to go from it"), m_strength);
  details->addWidget(makeMaskRow());
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  column->addWidget(m_view);
  column->addWidget(makeRow({m_name, m_browse, m_remove}, 4));
  column->addWidget(m_details);

  connect(m_browse, &QPushButton::clicked, this, [this] { browse(false); });
  connect(m_maskBrowse, &QPushButton::clicked, this, [this] { browse(true); });
  connect(m_remove, &QToolButton::clicked, this, [this] {
    open({});
    m_browse->setFocus();
  });
  connect(m_maskRemove, &QToolButton::clicked, this, [this] {
    setMask({});
    m_paint->setFocus();
  });
  connect(m_paint, &QPushButton::clicked, this, &StartPanel::paintRequested);
  connect(m_strength, &ValueSlider::edited, this, &StartPanel::changed);
  connect(&Palette::instance(), &Palette::changed, this, &StartPanel::showFiles);
  acceptFiles(m_view, isOneFile, [this](const QStringList& files) { open(files.first()); });
  showFiles();
}

QWidget* StartPanel::makeMaskRow() {
  const QString help =
      tr("What is painted, or white in the mask's file, is drawn anew; the rest stays as it is.");
  m_paint->setIcon(icon("brush"));
  m_paint->setAccessibleName(tr("Paint the mask"));
  m_paint->setToolTip(help);
  m_maskBrowse->setAccessibleName(tr("Browse for a mask"));
  m_maskBrowse->setToolTip(help);
  auto* caption = makeHint(tr("Draw only a part of it anew"));
  caption->setToolTip(help);
  auto* row = new QWidget;
  row->setObjectName("maskDrop");
  auto* column = new QVBoxLayout(row);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(3);
  column->addWidget(caption);
  column->addWidget(makeRow({m_maskName, m_paint, m_maskBrowse, m_maskRemove}, 4));
  acceptFiles(row, isOneFile, [this](const QStringList& files) { setMask(files.first()); });
  return row;
}

void StartPanel::browse(bool mask) {
  const QString file =
      m_dialogs.picture(this, mask ? tr("Choose a mask") : tr("Choose a picture to begin with"));
  if (file.isEmpty()) return;
  if (mask)
    setMask(file);
  else
    open(file);
}

void StartPanel::open(const QString& picture, const QString& mask) {
  const quint64 asked = ++m_asked;
  Files before = std::exchange(m_files, {picture, picture.isEmpty() ? QString() : mask, {}, {}});
  if (before.image.isNull()) before = {};  // not yet known to be good
  if (before.picture == picture) m_files.image = before.image;
  showFiles();
  Q_EMIT changed();
  if (picture.isEmpty()) return;
  struct Read {
    api::Result<api::Image> picture, mask;
  };
  inBackground(
      this,
      [&workspace = m_project.workspace(), files = m_files] {
        const auto read = [&](const QString& file) -> api::Result<api::Image> {
          return file.isEmpty() ? api::Image{} : workspace.readImage(toPath(file), kStartSide);
        };
        return Read{read(files.picture), read(files.mask)};
      },
      [this, asked, before](const Read& read) {
        if (asked != m_asked) return;
        if (read.picture && read.mask) {
          m_files.image = toQImage(*read.picture);
          m_files.maskImage = toQImage(*read.mask);
        } else {
          m_message.showError(read.picture ? read.mask.error() : read.picture.error());
          m_files = before;
        }
        showFiles();
        Q_EMIT changed();
      });
}

void StartPanel::setRequest(const api::GenerateRequest& request) {
  m_strength->setValue(request.strength);
  open(fromPath(request.image), fromPath(request.mask));
}

void StartPanel::fill(api::GenerateRequest& request) const {
  request.image = toPath(m_files.picture);
  request.mask = toPath(m_files.mask);
  request.strength = m_strength->value();
}

QString StartPanel::summary() const {
  if (m_files.picture.isEmpty()) return {};
  QStringList parts{fileName(m_files.picture), QLocale().toString(m_strength->value(), 'g', 2)};
  if (!m_files.mask.isEmpty()) parts << tr("masked");
  return parts.join(QStringLiteral(", "));
}

void StartPanel::showFiles() {
  const bool any = !m_files.picture.isEmpty(), masked = !m_files.mask.isEmpty();
  if (m_files.image.isNull() || m_files.maskImage.isNull())
    m_view->setImage(m_files.image);
  else
    m_view->setImage(
        veiled(m_files.image,
               m_files.maskImage.scaled(
                   m_files.image.size(), Qt::IgnoreAspectRatio, Qt::SmoothTransformation)));
  m_name->setFullText(fileName(m_files.picture));
  m_remove->setVisible(any);
  m_details->setVisible(any);
  m_maskName->setFullText(masked ? fileName(m_files.mask) : tr("everything"));
  m_maskRemove->setVisible(masked);
  m_paint->setEnabled(!m_files.image.isNull());
}

}  // namespace likeness::ui

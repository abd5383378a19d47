#include "ui/widgets/disk_use_panel.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPainterPath>
#include <QPushButton>
#include <QVBoxLayout>
#include <array>

#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

QColor kindColour(int kind) {
  const Colours& c = Palette::colours();
  const std::array<QColor, DiskUse::kKinds> colours{
      c.success, c.classCurve, c.accent, c.warning, c.neutralCurve, c.muted, c.text};
  return colours[static_cast<std::size_t>(kind)];
}

QString kindText(int kind) {
  switch (kind) {
    case DiskUse::Photos:
      return DiskUsePanel::tr("Photos");
    case DiskUse::ClassPictures:
      return DiskUsePanel::tr("Class pictures");
    case DiskUse::Checkpoints:
      return DiskUsePanel::tr("Checkpoints");
    case DiskUse::RunFiles:
      return DiskUsePanel::tr("Samples and curves");
    case DiskUse::Caches:
      return DiskUsePanel::tr("Caches");
    case DiskUse::Outputs:
      return DiskUsePanel::tr("Pictures");
    default:
      return DiskUsePanel::tr("Exports");
  }
}

}  // namespace

class ShareBar : public QWidget {
 public:
  ShareBar() { setFixedHeight(10); }
  void setUse(const DiskUse& use) {
    m_use = use;
    update();
  }

 protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    QPainterPath outline;
    outline.addRoundedRect(rect(), 5, 5);
    painter.setClipPath(outline);
    painter.fillRect(rect(), Palette::colours().border);
    const auto total = static_cast<double>(m_use.total());
    if (total <= 0) return;
    double x = 0;
    for (int kind = 0; kind < DiskUse::kKinds; ++kind) {
      const double share = static_cast<double>(m_use.bytes[kind]) / total * width();
      painter.fillRect(QRectF(x, 0, share, height()), kindColour(kind));
      x += share;
    }
  }

 private:
  DiskUse m_use;
};

DiskUsePanel::DiskUsePanel(QWidget* parent)
    : QFrame(parent),
      m_title(makeSection({})),
      m_legend(makeHint()),
      m_bar(new ShareBar),
      m_caches(makeButton("trashCaches", {})),
      m_checkpoints(makeButton("trashCheckpoints", {})) {
  setObjectName("diskUse");
  setProperty("card", true);
  m_title->setObjectName("diskTitle");
  m_legend->setObjectName("diskLegend");
  m_legend->setTextFormat(Qt::RichText);
  m_caches->setToolTip(tr("They are made again when they are needed"));
  m_checkpoints->setToolTip(tr("Of each run all but the latest and the best"));
  auto* head = new QHBoxLayout;
  head->setSpacing(kGrid);
  head->addWidget(m_title, 1);
  for (QPushButton* button : {m_caches, m_checkpoints}) {
    button->setIcon(icon("remove"));
    button->hide();
    head->addWidget(button);
  }
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(12, 12, 12, 12);
  column->setSpacing(kGrid);
  column->addLayout(head);
  column->addWidget(m_bar);
  column->addWidget(m_legend);
  connect(m_caches, &QPushButton::clicked, this, &DiskUsePanel::cachesRequested);
  connect(m_checkpoints, &QPushButton::clicked, this, &DiskUsePanel::checkpointsRequested);
  connect(&Palette::instance(), &Palette::changed, this, &DiskUsePanel::showUse);
  showUse();
}

void DiskUsePanel::setUse(const std::optional<DiskUse>& use) {
  m_use = use;
  showUse();
}

void DiskUsePanel::setLocked(bool locked) {
  if (m_locked == locked) return;
  m_locked = locked;
  showUse();
}

void DiskUsePanel::showUse() {
  const DiskUse use = m_use.value_or(DiskUse{});
  m_bar->setUse(use);
  m_title->setText(m_use ? tr("This project takes %1; %2 are free on its disk")
                               .arg(Texts::bytes(use.total()), Texts::bytes(use.freeBytes))
                         : tr("Looking how much room this project takes…"));
  QStringList legend;
  for (int kind = 0; kind < DiskUse::kKinds; ++kind)
    if (use.bytes[kind] > 0)
      legend << QStringLiteral(
                    "<span style='white-space:pre'><span style='color:%1'>■</span> %2 "
                    "%3</span>")
                    .arg(kindColour(kind).name(),
                         kindText(kind).toHtmlEscaped(),
                         Texts::bytes(use.bytes[kind]).toHtmlEscaped());
  m_legend->setText(legend.join(QStringLiteral("&nbsp;&nbsp;&nbsp; ")));
  for (const auto& [button, spare, text] :
       {std::tuple(m_caches, &use.caches, tr("Caches, %1…")),
        std::tuple(m_checkpoints, &use.checkpoints, tr("Old checkpoints, %1…"))}) {
    button->setText(text.arg(Texts::bytes(spare->bytes)));
    button->setVisible(spare->bytes > 0);
    button->setEnabled(!m_locked);
  }
}

}  // namespace likeness::ui

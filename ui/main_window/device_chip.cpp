#include "ui/main_window/device_chip.h"

#include <QLabel>
#include <QLocale>
#include <QRegularExpression>
#include <QVBoxLayout>

#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kChipIntervalMs = 1000;

QString memoryText(qint64 mib) {
  return QLocale().formattedDataSize(mib << 20, mib < 1024 ? 0 : 1, QLocale::DataSizeIecFormat);
}

}  // namespace

DeviceChip::DeviceChip(MachineStateSource source, QWidget* parent)
    : QFrame(parent),
      m_source(std::move(source)),
      m_name(new QLabel),
      m_now(makeHint()),
      m_peak(makeHint()) {
  setObjectName("deviceChip");
  m_name->setObjectName("deviceName");
  m_now->setObjectName("deviceMemory");
  m_peak->setObjectName("devicePeak");
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(kGrid, kGrid, kGrid, kGrid);
  column->setSpacing(2);
  for (QLabel* label : {m_name, m_now, m_peak}) {
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(false);
    setTextRole(label, TextRole::Hint);
    label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    column->addWidget(label);
  }
  m_timer.setInterval(kChipIntervalMs);
  connect(&m_timer, &QTimer::timeout, this, &DeviceChip::refresh);
}

QString DeviceChip::shortName(const QString& device) {
  static const QRegularExpression marks(
      QStringLiteral("\\((R|TM|C)\\)|\\b(Intel|AMD|NVIDIA|GeForce|Core|CPU|Processor)\\b|"
                     "\\b\\d+-Core\\b|@.*$|,.*$"),
      QRegularExpression::CaseInsensitiveOption);
  const QString name = QString(device).remove(marks).simplified();
  return name.isEmpty() ? device.simplified() : name;
}

void DeviceChip::showEvent(QShowEvent* event) {
  QFrame::showEvent(event);
  refresh();
  m_timer.start();
}

void DeviceChip::hideEvent(QHideEvent* event) {
  QFrame::hideEvent(event);
  m_timer.stop();
}

void DeviceChip::refresh() {
  const MachineState state = m_source();
  const QString now = memoryText(state.memoryMiB), peak = memoryText(state.peakMiB);
  const int room = width() - 2 * kGrid;
  m_name->setText(m_name->fontMetrics().elidedText(
      shortName(state.device), Qt::ElideRight, std::max(room, 2 * kGrid)));
  m_name->setVisible(!state.device.isEmpty());
  m_now->setText(now);
  m_peak->setText(tr("peak %1").arg(peak));
  QStringList lines;
  if (!state.device.isEmpty()) lines << state.device;
  lines << (state.totalMiB > 0 ? tr("Likeness uses %1 of %2 memory, %3 at its fullest")
                                     .arg(now, memoryText(state.totalMiB), peak)
                               : tr("Likeness uses %1 memory, %2 at its fullest").arg(now, peak));
  setToolTip(lines.join(QLatin1Char('\n')));
  setAccessibleName(lines.join(QStringLiteral(", ")));
}

}  // namespace likeness::ui

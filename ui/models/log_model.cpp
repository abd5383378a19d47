#include "ui/models/log_model.h"

#include <algorithm>
#include <utility>

#include "ui/util/convert.h"
#include "ui/util/palette.h"

namespace likeness::ui {
namespace {

const char* levelName(LogLevel level) {
  switch (level) {
    case LogLevel::Trace:
      return "trace";
    case LogLevel::Debug:
      return "debug";
    case LogLevel::Info:
      return "info";
    case LogLevel::Warning:
      return "warning";
    case LogLevel::Error:
      break;
  }
  return "error";
}

QColor levelColour(LogLevel level) {
  const Colours& c = Palette::colours();
  if (level == LogLevel::Error) return c.error;
  if (level == LogLevel::Warning) return c.warning;
  return level == LogLevel::Info ? c.text : c.muted;
}

}  // namespace

int LogModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_lines.size());
}

QString LogModel::lineText(const Line& line) {
  return QStringLiteral("%1 %2 %3")
      .arg(line.time.toString(QStringLiteral("yyyy-MM-dd HH:mm:ss.zzz")),
           QLatin1String(levelName(line.level)),
           line.message);
}

QVariant LogModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Line& line = m_lines[static_cast<std::size_t>(index.row())];
  switch (role) {
    case Qt::DisplayRole:
      return line.time.toString(QStringLiteral("HH:mm:ss  ")) + line.message.simplified();
    case Qt::ToolTipRole:
      return QStringLiteral("<p style='white-space:pre-wrap'>%1</p>")
          .arg(line.message.toHtmlEscaped());
    case Qt::ForegroundRole:
      return levelColour(line.level);
    case LevelRole:
      return static_cast<int>(line.level);
    case LineRole:
    case Qt::AccessibleTextRole:
      return lineText(line);
    default:
      return {};
  }
}

void LogModel::add(LogLevel level, std::string_view message) {
  const std::lock_guard lock(m_mutex);
  m_waiting.push_back({QDateTime::currentDateTime(), level, fromStd(message)});
  if (m_waiting.size() == 1)
    QMetaObject::invokeMethod(
        this, [this] { take(); }, Qt::QueuedConnection);
}

void LogModel::take() {
  std::vector<Line> lines;
  {
    const std::lock_guard lock(m_mutex);
    lines = std::exchange(m_waiting, {});
  }
  if (lines.size() > kMostLines) lines.erase(lines.begin(), lines.end() - kMostLines);
  const int added = static_cast<int>(lines.size());
  if (const int over = rowCount() + added - kMostLines; over > 0) {
    beginRemoveRows({}, 0, over - 1);
    m_lines.erase(m_lines.begin(), m_lines.begin() + over);
    endRemoveRows();
  }
  beginInsertRows({}, rowCount(), rowCount() + added - 1);
  std::move(lines.begin(), lines.end(), std::back_inserter(m_lines));
  endInsertRows();
}

QStringList LogModel::last(int count) const {
  QStringList lines;
  for (auto i = m_lines.size() - std::min<std::size_t>(m_lines.size(), count); i < m_lines.size();
       ++i)
    lines << lineText(m_lines[i]);
  return lines;
}

}  // namespace likeness::ui

// The program's log since its start, the last lines of it, as the log dock shows it.
#pragma once

#include <QAbstractListModel>
#include <QDateTime>
#include <deque>
#include <mutex>
#include <string_view>
#include <vector>

namespace likeness::ui {

enum class LogLevel { Trace, Debug, Info, Warning, Error };

class LogModel : public QAbstractListModel {
  Q_OBJECT
 public:
  enum Role { LevelRole = Qt::UserRole, LineRole };
  static constexpr int kMostLines = 5000;  ///< older ones are only in the log file
  using QAbstractListModel::QAbstractListModel;

  int rowCount(const QModelIndex& parent = {}) const override;
  /// DisplayRole "12:03:04  message" in one line, ToolTipRole the message, ForegroundRole by its
  /// level, LineRole what is copied.
  QVariant data(const QModelIndex& index, int role) const override;

  /// Any thread; the line appears when the GUI thread comes to it.
  void add(LogLevel level, std::string_view message);
  /// The newest, in order, as LineRole has them.
  QStringList last(int count) const;

 private:
  struct Line {
    QDateTime time;
    LogLevel level = LogLevel::Info;
    QString message;
  };
  void take();
  static QString lineText(const Line& line);

  std::deque<Line> m_lines;
  std::mutex m_mutex;
  std::vector<Line> m_waiting;  ///< under the mutex
};

}  // namespace likeness::ui

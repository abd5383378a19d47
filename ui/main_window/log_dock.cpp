#include "ui/main_window/log_dock.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QKeyEvent>
#include <QLineEdit>
#include <QListView>
#include <QScrollBar>
#include <QSortFilterProxyModel>
#include <QToolTip>
#include <algorithm>

#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/problem_report.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kReportLines = 200;

class LogFilter : public QSortFilterProxyModel {
 public:
  using QSortFilterProxyModel::QSortFilterProxyModel;
  void setFilter(int least, const QString& words) {
    m_least = least;
    m_words = words;
    invalidateFilter();
  }
  bool filterAcceptsRow(int row, const QModelIndex& parent) const override {
    const QModelIndex line = sourceModel()->index(row, 0, parent);
    return line.data(LogModel::LevelRole).toInt() >= m_least &&
           (m_words.isEmpty() ||
            line.data(LogModel::LineRole).toString().contains(m_words, Qt::CaseInsensitive));
  }

 private:
  int m_least = static_cast<int>(LogLevel::Info);
  QString m_words;
};

QComboBox* makeLevels() {
  auto* levels = new QComboBox;
  levels->setObjectName("logLevel");
  levels->setAccessibleName(LogDock::tr("Lines that are shown"));
  for (const auto& [level, text] :
       {std::pair(LogLevel::Trace, LogDock::tr("All lines")),
        std::pair(LogLevel::Info, LogDock::tr("Usual lines")),
        std::pair(LogLevel::Warning, LogDock::tr("Warnings and errors")),
        std::pair(LogLevel::Error, LogDock::tr("Errors"))})
    levels->addItem(text, static_cast<int>(level));
  levels->setCurrentIndex(1);
  return levels;
}

QLineEdit* makeSearch() {
  auto* search = new QLineEdit;
  search->setObjectName("logSearch");
  search->setPlaceholderText(LogDock::tr("Search"));
  search->setAccessibleName(LogDock::tr("Search in the log"));
  search->setClearButtonEnabled(true);
  search->setProperty("wide", true);
  return search;
}

QListView* makeLines() {
  auto* lines = new QListView;
  lines->setObjectName("logLines");
  lines->setAccessibleName(LogDock::tr("Lines of the log"));
  lines->setUniformItemSizes(true);
  lines->setSelectionMode(QAbstractItemView::ExtendedSelection);
  lines->setEditTriggers(QAbstractItemView::NoEditTriggers);
  setTextRole(lines, TextRole::Hint);
  return lines;
}

}  // namespace

LogDock::LogDock(LogModel& log, std::function<QString()> recipe, QWidget* parent)
    : Dock("logDock",
           tr("Log"),
           makeLines(),
           {makeLevels(),
            makeSearch(),
            makeButton("logCopy", tr("Copy")),
            makeButton("logReport", tr("Copy report"))},
           parent),
      m_log(log),
      m_recipe(std::move(recipe)),
      m_shown(new LogFilter(this)),
      m_level(findChild<QComboBox*>("logLevel")),
      m_search(findChild<QLineEdit*>("logSearch")),
      m_copy(findChild<QPushButton*>("logCopy")),
      m_report(findChild<QPushButton*>("logReport")),
      m_lines(findChild<QListView*>("logLines")) {
  m_shown->setSourceModel(&log);
  m_lines->setModel(m_shown);
  m_lines->installEventFilter(this);
  m_copy->setIcon(icon("copy"));
  m_report->setIcon(icon("info"));
  m_copy->setToolTip(tr("Copies the lines that are marked, or all that are shown"));
  m_report->setToolTip(
      tr("Copies the version, the system, the project's recipe and the last lines, without your "
         "name and home folder, for somebody who is to help"));
  connect(m_level, &QComboBox::currentIndexChanged, this, &LogDock::showFilter);
  connect(m_search, &QLineEdit::textChanged, this, &LogDock::showFilter);
  connect(m_copy, &QPushButton::clicked, this, &LogDock::copyLines);
  connect(m_report, &QPushButton::clicked, this, &LogDock::copyReport);
  // Looked at before the lines are there: afterwards the old end is no longer the end.
  connect(m_shown, &QAbstractItemModel::rowsAboutToBeInserted, this, [this] {
    const QScrollBar* bar = m_lines->verticalScrollBar();
    if (bar->value() >= bar->maximum())
      QMetaObject::invokeMethod(m_lines, &QListView::scrollToBottom, Qt::QueuedConnection);
  });
  connect(
      &Palette::instance(), &Palette::changed, m_lines->viewport(), qOverload<>(&QWidget::update));
}

void LogDock::showFilter() {
  static_cast<LogFilter*>(m_shown)->setFilter(m_level->currentData().toInt(), m_search->text());
}

bool LogDock::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() == QEvent::KeyPress &&
      static_cast<QKeyEvent*>(event)->matches(QKeySequence::Copy)) {
    copyLines();
    return true;
  }
  return Dock::eventFilter(watched, event);
}

void LogDock::copyLines() {
  QModelIndexList lines = m_lines->selectionModel()->selectedIndexes();
  std::sort(lines.begin(), lines.end());
  if (lines.isEmpty())
    for (int row = 0; row < m_shown->rowCount(); ++row) lines << m_shown->index(row, 0);
  QStringList text;
  for (const QModelIndex& line : lines) text << line.data(LogModel::LineRole).toString();
  QApplication::clipboard()->setText(text.join(QLatin1Char('\n')));
}

void LogDock::copyReport() {
  QApplication::clipboard()->setText(problemReport(m_recipe(), m_log.last(kReportLines)));
  QToolTip::showText(m_report->mapToGlobal(QPoint(0, -2 * m_report->height())),
                     tr("Copied, without your name and home folder"),
                     m_report);
}

}  // namespace likeness::ui

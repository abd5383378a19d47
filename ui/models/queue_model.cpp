#include "ui/models/queue_model.h"

#include <QFileInfo>
#include <QSettings>
#include <algorithm>
#include <utility>

#include "ui/util/convert.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {

constexpr auto kQueueKey = "queue";

/// Rough looks leave nothing behind.
bool isListed(const api::Request& request) {
  const auto* pictures = std::get_if<api::GenerateRequest>(&request);
  return !pictures || !pictures->outFolder.empty();
}

}  // namespace

QueueModel::QueueModel(ProjectModel& project,
                       TrainingModel& training,
                       GenerationModel& generation,
                       RequestText text,
                       QSettings& settings,
                       QObject* parent)
    : QAbstractListModel(parent),
      m_project(project),
      m_training(training),
      m_generation(generation),
      m_text(std::move(text)),
      m_settings(settings) {
  m_turn.setSingleShot(true);
  m_turn.setInterval(0);
  connect(&m_turn, &QTimer::timeout, this, &QueueModel::startNext);
  connect(&m_project, &ProjectModel::opened, this, [this] {
    if (rowCount() > 0) Q_EMIT dataChanged(index(0), index(rowCount() - 1));
    m_turn.start();
  });
  watch(m_training.job());
  watch(m_generation.job());
  load();
}

void QueueModel::watch(Job& job, bool listed) {
  m_jobs.push_back(&job);
  connect(&job, &Job::changed, this, [this, &job, listed] {
    if (listed)
      follow(job);
    else if (!job.active())
      m_turn.start();
  });
}

// ---- the list

int QueueModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(m_entries.size());
}

QVariant QueueModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const QueueEntry& entry = at(index.row());
  switch (role) {
    case Qt::DisplayRole:
      return title(entry.request);
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole:
      return tr("%1: %2").arg(title(entry.request), detail(entry));
    case DetailRole:
      return detail(entry);
    case ProgressRole: {
      if (!entry.job) return -1.0;
      const api::Progress& progress = entry.job->progress();
      return progress.total > 0
                 ? static_cast<double>(progress.done) / static_cast<double>(progress.total)
                 : 0.0;
    }
    case StateRole:
      return static_cast<int>(entry.state);
    case OutcomeRole:
      return static_cast<int>(entry.outcome);
    case IconRole:
      return std::holds_alternative<api::TrainRequest>(entry.request)    ? QByteArray("train")
             : std::holds_alternative<api::ExportRequest>(entry.request) ? QByteArray("export")
                                                                         : QByteArray("create");
    default:
      return {};
  }
}

Qt::ItemFlags QueueModel::flags(const QModelIndex& index) const {
  if (!index.isValid()) return Qt::ItemIsDropEnabled;
  const Qt::ItemFlags plain = QAbstractListModel::flags(index);
  return at(index.row()).state == QueueEntry::State::Waiting ? plain | Qt::ItemIsDragEnabled
                                                             : plain;
}

QString QueueModel::title(const api::Request& request) const {
  if (const auto* train = std::get_if<api::TrainRequest>(&request)) {
    const api::SubjectOptions& subject = train->subject;
    const QString name = fromStd(subject.name.empty() ? subject.classWord : subject.name);
    const QString steps = tr("%n step(s)", nullptr, static_cast<int>(api::plannedSteps(*train)));
    using enum api::Method;
    const api::Method method = train->training.method;
    return method == Full   ? tr("Train “%1”, %2").arg(name, steps)
           : method == Lora ? tr("Train an adapter for “%1”, %2").arg(name, steps)
                            : tr("Train a word for “%1”, %2").arg(name, steps);
  }
  if (const auto* pictures = std::get_if<api::GenerateRequest>(&request)) {
    const std::string& prompt =
        pictures->prompts.empty() ? pictures->prompt : pictures->prompts.front();
    return tr("%n picture(s): “%1”", nullptr, static_cast<int>(api::pictureCount(*pictures)))
        .arg(fromStd(api::renderPrompt(prompt, pictures->subject)));
  }
  if (const auto* exported = std::get_if<api::ExportRequest>(&request))
    return tr("Export run %1 as %2")
        .arg(fromPath(exported->runFolder.filename()), fromPath(exported->out.filename()));
  return tr("Other work");
}

QString QueueModel::detail(const QueueEntry& entry) const {
  if (entry.state == QueueEntry::State::Active) return entry.job->describe();
  if (entry.state == QueueEntry::State::Waiting) {
    if (!ready(entry))
      return tr("Waits until the project %1 is open")
          .arg(QFileInfo(entry.project).completeBaseName());
    const QString time = Texts::duration(entry.seconds);
    return time.isEmpty() ? tr("Waits") : tr("Waits, %1").arg(time);
  }
  if (entry.outcome == JobState::Failed) return entry.sentence;
  const QString took = Texts::duration(entry.seconds);
  if (entry.outcome == JobState::Cancelled) return tr("Stopped");
  return took.isEmpty() ? tr("Done") : tr("Done, took %1").arg(took);
}

int QueueModel::count(QueueEntry::State state) const {
  return static_cast<int>(std::count_if(m_entries.begin(),
                                        m_entries.end(),
                                        [state](const QueueEntry& e) { return e.state == state; }));
}

int QueueModel::rowOf(const Job& job) const {
  const auto found = std::find_if(
      m_entries.begin(), m_entries.end(), [&](const QueueEntry& e) { return e.job == &job; });
  return found == m_entries.end() ? -1 : static_cast<int>(found - m_entries.begin());
}

int QueueModel::rowOf(int id) const {
  const auto found = std::find_if(
      m_entries.begin(), m_entries.end(), [id](const QueueEntry& e) { return e.id == id; });
  return found == m_entries.end() ? -1 : static_cast<int>(found - m_entries.begin());
}

bool QueueModel::ready(const QueueEntry& entry) const {
  return m_project.isOpen() && fromPath(m_project.project().folder) == entry.project;
}

double QueueModel::secondsLeft() const {
  double seconds = 0;
  for (const QueueEntry& entry : m_entries) {
    if (entry.job) seconds += entry.job->progress().secondsLeft;
    if (entry.state == QueueEntry::State::Waiting) seconds += entry.seconds;
  }
  return seconds;
}

void QueueModel::insert(int row, QueueEntry entry) {
  entry.id = ++m_lastId;
  beginInsertRows({}, row, row);
  m_entries.insert(m_entries.begin() + row, std::move(entry));
  endInsertRows();
}

void QueueModel::shift(int from, int to) {
  if (from == to) return;
  beginMoveRows({}, from, from, {}, to > from ? to + 1 : to);
  QueueEntry entry = std::move(m_entries[static_cast<std::size_t>(from)]);
  m_entries.erase(m_entries.begin() + from);
  m_entries.insert(m_entries.begin() + to, std::move(entry));
  endMoveRows();
}

void QueueModel::changed() {
  save();
  Q_EMIT summaryChanged();
  m_turn.start();
}

// ---- what a person does with it

void QueueModel::add(api::Request request, double seconds) {
  if (!m_project.isOpen()) return;
  QueueEntry entry;
  if (const auto* pictures = std::get_if<api::GenerateRequest>(&request))
    seconds = guess(*pictures);
  entry.request = std::move(request);
  entry.project = fromPath(m_project.project().folder);
  entry.queued = true;
  entry.seconds = seconds;
  insert(active() + waiting(), std::move(entry));
  changed();
}

double QueueModel::guess(const api::GenerateRequest& request) const {
  return m_secondsPerStep *
         static_cast<double>(api::pictureCount(request) * request.sampling.steps);
}

void QueueModel::remove(int row) {
  if (row < 0 || row >= rowCount()) return;
  if (Job* job = at(row).job) return job->stop();
  beginRemoveRows({}, row, row);
  m_entries.erase(m_entries.begin() + row);
  endRemoveRows();
  changed();
}

bool QueueModel::moveRows(
    const QModelIndex& from, int row, int number, const QModelIndex& to, int before) {
  const int first = active(), last = first + waiting() - 1;
  if (from.isValid() || to.isValid() || number != 1 || row < first || row > last) return false;
  const int target = std::clamp(before > row ? before - 1 : before, first, last);
  if (target == row) return false;
  shift(row, target);
  changed();
  return true;
}

bool QueueModel::move(int row, int by) {
  return moveRows({}, row, 1, {}, by > 0 ? row + 2 : row - 1);
}

bool QueueModel::canRepeat(int row) const {
  if (row < 0 || row >= rowCount() || at(row).state != QueueEntry::State::Ended) return false;
  return ready(at(row)) && !std::holds_alternative<api::ExportRequest>(at(row).request);
}

void QueueModel::repeat(int row) {
  if (!canRepeat(row)) return;
  const QueueEntry& entry = at(row);
  api::Request request = entry.request;
  if (auto* pictures = std::get_if<api::GenerateRequest>(&request);
      pictures && entry.outcome == JobState::Finished)
    pictures->seed += pictures->count;
  // What one took the next takes; a stopped one says nothing.
  add(std::move(request), entry.outcome == JobState::Finished ? entry.seconds : 0);
}

void QueueModel::clearEnded() {
  const int first = active() + waiting();
  if (first == rowCount()) return;
  beginRemoveRows({}, first, rowCount() - 1);
  m_entries.erase(m_entries.begin() + first, m_entries.end());
  endRemoveRows();
  changed();
}

void QueueModel::setPaused(bool paused) {
  if (m_paused == paused) return;
  m_paused = paused;
  changed();
}

// ---- jobs

void QueueModel::follow(Job& job) {
  const int row = rowOf(job);
  if (job.active() && row < 0) {
    if (isListed(job.request())) begin(job);
  } else if (job.active()) {
    Q_EMIT dataChanged(index(row), index(row));
    Q_EMIT summaryChanged();
  } else if (row >= 0) {
    end(row, job.state(), job.error() ? Texts::forError(*job.error()).sentence : QString());
  } else {
    m_turn.start();
  }
}

void QueueModel::begin(Job& job) {
  int row = rowOf(std::exchange(m_starting, 0));
  if (row < 0) {
    row = active();
    QueueEntry entry;
    entry.project = m_project.isOpen() ? fromPath(m_project.project().folder) : QString();
    entry.state = QueueEntry::State::Active;
    entry.request = job.request();
    entry.job = &job;
    insert(row, std::move(entry));
  } else {
    const int target = active();
    QueueEntry& entry = m_entries[static_cast<std::size_t>(row)];
    entry.state = QueueEntry::State::Active;
    entry.job = &job;
    shift(row, target);
    row = target;
  }
  m_entries[static_cast<std::size_t>(row)].begun = QDateTime::currentDateTimeUtc();
  Q_EMIT dataChanged(index(row), index(row));
  changed();
}

void QueueModel::end(int row, JobState outcome, const QString& sentence) {
  const int target = active() + waiting() - 1;  // where the ended ones will begin
  QueueEntry& entry = m_entries[static_cast<std::size_t>(row)];
  entry.state = QueueEntry::State::Ended;
  entry.outcome = outcome;
  entry.sentence = sentence;
  entry.job = nullptr;
  entry.seconds =
      entry.begun.isValid()
          ? static_cast<double>(entry.begun.msecsTo(QDateTime::currentDateTimeUtc())) / 1000
          : 0;
  if (const auto* pictures = std::get_if<api::GenerateRequest>(&entry.request);
      pictures && outcome == JobState::Finished)
    m_secondsPerStep = entry.seconds /
                       static_cast<double>(api::pictureCount(*pictures) * pictures->sampling.steps);
  shift(row, target);
  Q_EMIT dataChanged(index(target), index(target));
  if (const int over = count(QueueEntry::State::Ended) - kMostEnded; over > 0) {
    beginRemoveRows({}, rowCount() - over, rowCount() - 1);
    m_entries.erase(m_entries.end() - over, m_entries.end());
    endRemoveRows();
  }
  changed();
  Q_EMIT ended(QueueEntry(at(target)));
}

void QueueModel::startNext() {
  if (m_paused || m_held ||
      std::any_of(m_jobs.begin(), m_jobs.end(), [](const Job* job) { return job->active(); }))
    return;
  const auto next = std::find_if(m_entries.begin(), m_entries.end(), [this](const QueueEntry& e) {
    return e.state == QueueEntry::State::Waiting && ready(e);
  });
  if (next == m_entries.end()) return;
  const int id = next->id;
  m_starting = id;
  const api::Request request = next->request;
  api::Result<void> begun;
  if (const auto* train = std::get_if<api::TrainRequest>(&request))
    begun = m_training.run(*train);
  else if (const auto* pictures = std::get_if<api::GenerateRequest>(&request))
    m_generation.generate(*pictures);
  m_starting = 0;
  const int row = rowOf(id);
  if (!begun && row >= 0) end(row, JobState::Failed, Texts::forError(begun.error()).sentence);
}

// ---- across starts of the program

void QueueModel::save() const {
  QVariantList stored;
  for (const QueueEntry& entry : m_entries) {
    if (entry.state == QueueEntry::State::Ended || !entry.queued) continue;
    QVariantMap values{{"project", entry.project}, {"seconds", entry.seconds}};
    if (const auto* train = std::get_if<api::TrainRequest>(&entry.request)) {
      // A training under way has its run folder, from which it is continued.
      if (entry.state == QueueEntry::State::Active) continue;
      values.insert("train", fromStd(m_project.workspace().toYaml(*train)));
    } else if (const auto* pictures = std::get_if<api::GenerateRequest>(&entry.request)) {
      values.insert("pictures", fromStd(m_text.write(*pictures)));
    } else {
      continue;
    }
    stored << values;
  }
  if (stored.isEmpty())
    m_settings.remove(kQueueKey);
  else
    m_settings.setValue(kQueueKey, stored);
}

void QueueModel::load() {
  const QVariantList stored = m_settings.value(kQueueKey).toList();
  for (const QVariant& item : stored) {
    const QVariantMap values = item.toMap();
    QueueEntry entry;
    entry.project = values.value("project").toString();
    entry.seconds = values.value("seconds").toDouble();
    entry.queued = true;
    if (values.contains("train")) {
      auto request = m_project.workspace().fromYaml(
          toStd(values.value("train").toString()), {}, toStd(entry.project));
      if (!request) continue;
      entry.request = std::move(*request);
    } else {
      auto request = m_text.read(toStd(values.value("pictures").toString()));
      if (!request) continue;
      entry.request = std::move(*request);
    }
    insert(rowCount(), std::move(entry));
  }
  m_paused = rowCount() > 0;
}

}  // namespace likeness::ui

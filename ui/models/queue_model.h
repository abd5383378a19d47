// The jobs of the window in their order: those under way, those that wait, those that have ended. A
// job that waits is a request, a value; it becomes a Job when its turn comes.
#pragma once

#include <QAbstractListModel>
#include <QDateTime>
#include <QTimer>
#include <functional>
#include <vector>

#include "ui/models/generation_model.h"
#include "ui/models/training_model.h"

class QSettings;

namespace likeness::ui {

/// Requests for pictures as text, in the form in which pictures carry them.
struct RequestText {
  std::function<std::string(const api::GenerateRequest&)> write;
  std::function<api::Result<api::GenerateRequest>(const std::string&)> read;
};

struct QueueEntry {
  enum class State { Active, Waiting, Ended };
  int id = 0;
  api::Request request;
  QString project;  ///< folder that it belongs to
  State state = State::Waiting;
  Job* job = nullptr;                 ///< of an active one
  bool queued = false;                ///< a person has put it here, it did not begin by itself
  JobState outcome = JobState::Idle;  ///< of an ended one: Finished, Cancelled or Failed
  QString sentence;                   ///< why it failed
  double seconds = 0;  ///< waiting: about what it will take, ended: what it took; 0 = not known
  QDateTime begun;
};

class QueueModel : public QAbstractListModel {
  Q_OBJECT
 public:
  enum Role {
    DetailRole = Qt::UserRole,  ///< QString: how far it is, what it waits for, how it ended
    ProgressRole,               ///< double, 0..1; negative = none to show
    StateRole,                  ///< int of QueueEntry::State
    OutcomeRole,                ///< int of JobState, of an ended one
    IconRole                    ///< QByteArray, a name of resources/icons
  };
  static constexpr int kMostEnded = 20;

  /// What waited when the program ended waits again, and the queue is paused then.
  QueueModel(ProjectModel& project,
             TrainingModel& training,
             GenerationModel& generation,
             RequestText text,
             QSettings& settings,
             QObject* parent = nullptr);
  /// Lets nothing begin beside this job; `listed` = and lists what it does, but for rough looks.
  void watch(Job& job, bool listed = true);

  int rowCount(const QModelIndex& parent = {}) const override;
  /// DisplayRole what it is, AccessibleTextRole with its detail.
  QVariant data(const QModelIndex& index, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;
  Qt::DropActions supportedDropActions() const override { return Qt::MoveAction; }
  /// One waiting entry to another place among them.
  bool moveRows(
      const QModelIndex& from, int row, int count, const QModelIndex& to, int before) override;

  const QueueEntry& at(int row) const { return m_entries.at(static_cast<std::size_t>(row)); }
  /// A training or pictures of the open project, behind all that waits. Begins at once when nothing
  /// else does and the queue is not paused.
  void add(api::Request request, double seconds = 0);
  /// Ends what is under way, as its own Stop does; takes others away.
  void remove(int row);
  /// Of a waiting entry, -1 = earlier, 1 = later. False when there is no such place.
  bool move(int row, int by);
  bool canRepeat(int row) const;
  /// The same again, behind all that waits; pictures that are there already with the next seeds.
  void repeat(int row);
  void clearEnded();
  /// What runs goes on, and nothing else begins.
  void setPaused(bool paused);
  bool paused() const { return m_paused; }
  /// Nothing begins any more: the window is closing.
  void hold() { m_held = true; }

  int waiting() const { return count(QueueEntry::State::Waiting); }
  int active() const { return count(QueueEntry::State::Active); }
  /// Of what runs and what waits, as far as it is known.
  double secondsLeft() const;

 Q_SIGNALS:
  void summaryChanged();  ///< how many, how long, paused
  void ended(const likeness::ui::QueueEntry& entry);

 private:
  int count(QueueEntry::State state) const;
  int rowOf(const Job& job) const;
  int rowOf(int id) const;
  bool ready(const QueueEntry& entry) const;
  QString title(const api::Request& request) const;
  QString detail(const QueueEntry& entry) const;
  double guess(const api::GenerateRequest& request) const;

  void follow(Job& job);
  void begin(Job& job);
  void end(int row, JobState outcome, const QString& sentence);
  void startNext();
  void insert(int row, QueueEntry entry);
  void shift(int from, int to);
  void changed();
  void load();
  void save() const;

  ProjectModel& m_project;
  TrainingModel& m_training;
  GenerationModel& m_generation;
  RequestText m_text;
  QSettings& m_settings;
  std::vector<Job*> m_jobs;
  std::vector<QueueEntry> m_entries;  ///< active, waiting, ended with the latest first
  QTimer m_turn;                      ///< the next begins when the events of the last are through
  int m_lastId = 0, m_starting = 0;
  double m_secondsPerStep = 0;  ///< of one picture, as the last ones took
  bool m_paused = false, m_held = false;
};

}  // namespace likeness::ui

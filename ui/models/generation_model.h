// Making pictures: the full job, and the quick one that follows the guidance slider.
#pragma once

#include <QObject>
#include <QTimer>
#include <optional>

#include "ui/models/job.h"
#include "ui/models/picture_list_model.h"

namespace likeness::ui {

class GenerationModel : public QObject {
  Q_OBJECT
 public:
  explicit GenerationModel(EngineBridge& bridge, QObject* parent = nullptr);

  Job& job() { return m_job; }
  const Job& job() const { return m_job; }
  PictureListModel& history() { return m_history; }

  /// Makes the pictures of a request, with previews, into its folder.
  void generate(const api::GenerateRequest& request);
  /// Same seed, few steps, one picture, nothing written; when `request` rests for a moment, all of
  /// its steps. A newer call replaces an older one; pictures of generate() are not disturbed.
  void follow(const api::GenerateRequest& request);
  void cancel();
  /// Pictures under way are a rough look, not yet the real thing.
  bool isQuick() const { return m_quick; }
  void clear();

 Q_SIGNALS:
  /// What the large view shall show; `final` when it is a finished picture.
  void shown(const QImage& image, bool final);
  /// Row of the history that was added.
  void added(int row);

 private:
  void launch(const api::GenerateRequest& request, bool quick);
  void launchNext();
  void receive(const api::PictureReady& picture);

  Job m_job;
  PictureListModel m_history;
  bool m_quick = false, m_following = false;
  api::SubjectOptions m_subject;  ///< of the job under way: its prompt is shown in words
  std::optional<api::GenerateRequest> m_next;  ///< waits for the running one to stop
  bool m_nextQuick = false;
  QTimer m_debounce, m_rest;
  api::GenerateRequest m_followed;
};

}  // namespace likeness::ui

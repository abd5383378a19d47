// A part of the Create page: the picture to begin with, its mask, and how far to go from it.
#pragma once

#include <QImage>
#include <QWidget>

#include "core/api/requests.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace likeness::ui {

class DialogService;
class ElidedLabel;
class ImageView;
class MessageBar;
class ProjectModel;
class ValueSlider;

class StartPanel : public QWidget {
  Q_OBJECT
 public:
  /// Refusals are said on `message`.
  StartPanel(ProjectModel& project,
             DialogService& dialogs,
             MessageBar& message,
             QWidget* parent = nullptr);

  /// Takes files, which are read off the GUI thread; where one cannot be read, what was there
  /// before stays. Empty = none.
  void open(const QString& picture, const QString& mask = {});
  void setMask(const QString& mask) { open(m_files.picture, mask); }

  void setRequest(const api::GenerateRequest& request);
  void fill(api::GenerateRequest& request) const;
  QString summary() const;  ///< "photo.jpg, 0.75, masked"; empty without a picture

  QString picturePath() const { return m_files.picture; }
  /// The picture with a longer side of at most 1024 pixels, and the mask; null until they are read.
  const QImage& picture() const { return m_files.image; }
  const QImage& mask() const { return m_files.maskImage; }

 Q_SIGNALS:
  void changed();
  void paintRequested();

 private:
  struct Files {
    QString picture, mask;
    QImage image, maskImage;
  };
  QWidget* makeMaskRow();
  void browse(bool mask);
  void showFiles();

  ProjectModel& m_project;
  DialogService& m_dialogs;
  MessageBar& m_message;
  Files m_files;
  quint64 m_asked = 0;
  ImageView* m_view;
  QPushButton *m_browse, *m_paint, *m_maskBrowse;
  QToolButton *m_remove, *m_maskRemove;
  ElidedLabel *m_name, *m_maskName;
  ValueSlider* m_strength;
  QWidget* m_details;  ///< what only a picture has
};

}  // namespace likeness::ui

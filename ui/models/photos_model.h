// The project's photos with their thumbnails and findings. Reading and checking happen off the GUI
// thread.
#pragma once

#include <QAbstractListModel>
#include <QHash>
#include <QPixmap>
#include <memory>

#include "ui/models/project_model.h"

namespace likeness::ui {

class PhotosModel : public QAbstractListModel {
  Q_OBJECT
 public:
  enum Role {
    FileRole = Qt::UserRole,  ///< QString
    FindingsRole,             ///< QStringList, sentences
    ErrorRole,                ///< QString, empty when the photo can be used
    ExcludedRole,             ///< bool
    CaptionRole,              ///< QString
    BesideCaptionRole,  ///< QString, of the text file beside the photo; lines are alternatives
    SizeRole,           ///< QSize, upright pixels; empty until it was read
  };
  explicit PhotosModel(ProjectModel& project, QObject* parent = nullptr);

  int rowCount(const QModelIndex& parent = {}) const override;
  /// DisplayRole file name, DecorationRole thumbnail, ToolTipRole what was found.
  QVariant data(const QModelIndex& index, int role) const override;

  /// Copies pictures (folders: one level deep) into the project; what cannot be used is reported.
  void add(const QStringList& paths);
  void remove(QList<int> rows);
  void setExcluded(int row, bool excluded);
  void setCaption(int row, const QString& caption);

  int usable() const;   ///< photos that training will see
  int toCheck() const;  ///< photos with findings or errors that are not left out
  bool adding() const { return m_adding > 0; }

 Q_SIGNALS:
  void summaryChanged();
  /// One sentence per file that was not taken.
  void refused(const QStringList& sentences);
  /// What else a drop held: repeats, captions, masks.
  void understood(const QString& sentence);

 private:
  void sync();
  void check();
  void received(const api::PhotoReport& report);
  /// Findings that matter for this project: a photo is small only below the training's resolution.
  std::vector<api::PhotoFinding> findings(const api::PhotoReport& report) const;
  const api::Photo& photo(int row) const { return m_photos.at(static_cast<std::size_t>(row)); }

  ProjectModel& m_project;
  std::vector<api::Photo> m_photos;  ///< as last shown
  QHash<QString, api::PhotoReport> m_reports;
  mutable QHash<QString, QPixmap> m_thumbnails;
  std::unique_ptr<api::Subscription> m_checking;
  int m_adding = 0;
};

}  // namespace likeness::ui

// Everything that asks the person outside the window: files and the few questions. Tests answer in
// its place.
#pragma once

#include <QString>
#include <QStringList>

class QWidget;

namespace likeness::ui {

/// A question with verbs for answers; the last answer is "no change" (Escape).
struct Question {
  QString title, text, detail;
  QStringList answers;
  int preferred = 0;
};

class DialogService {
 public:
  virtual ~DialogService() = default;
  /// Each returns an empty text when the person changes their mind.
  virtual QString newProject(QWidget* parent);
  virtual QString openProject(QWidget* parent);
  virtual QStringList photos(QWidget* parent);
  virtual QString picture(QWidget* parent, const QString& title);
  virtual QString textFile(QWidget* parent, const QString& title);
  virtual QString modelFolder(QWidget* parent);
  /// Files of weights. Somebody who chooses the model_index.json of a folder means the folder.
  virtual QStringList modelFiles(QWidget* parent, const QString& title, bool several);
  virtual QString savePicture(QWidget* parent, const QString& suggestion);
  virtual QString saveTable(QWidget* parent, const QString& suggestion);
  virtual QString exportTarget(QWidget* parent, const QString& suggestion, bool folder);
  /// Index of the answer.
  virtual int ask(QWidget* parent, const Question& question);
  /// In the system's file manager.
  virtual void showFolder(const QString& folder);
};

}  // namespace likeness::ui

#include "ui/dialogs/dialog_service.h"

#include <QCoreApplication>
#include <QDesktopServices>
#include <QDir>
#include <QFileDialog>
#include <QMessageBox>
#include <QPushButton>
#include <QUrl>

namespace likeness::ui {
namespace {
struct Tr {
  Q_DECLARE_TR_FUNCTIONS(DialogService)
};
}  // namespace

QString DialogService::newProject(QWidget* parent) {
  return QFileDialog::getSaveFileName(parent,
                                      Tr::tr("New project"),
                                      QDir::home().filePath(Tr::tr("my-subject.likeness")),
                                      Tr::tr("Likeness projects (*.likeness)"));
}

QString DialogService::openProject(QWidget* parent) {
  return QFileDialog::getExistingDirectory(
      parent, Tr::tr("Open a project folder (NAME.likeness)"), QDir::homePath());
}

QStringList DialogService::photos(QWidget* parent) {
  return QFileDialog::getOpenFileNames(
      parent,
      Tr::tr("Choose photos"),
      QDir::homePath(),
      Tr::tr(
          "Pictures (*.jpg *.jpeg *.png *.webp *.heic *.heif *.JPG *.JPEG *.PNG);;All files (*)"));
}

QString DialogService::modelFolder(QWidget* parent) {
  return QFileDialog::getExistingDirectory(
      parent, Tr::tr("Choose a model folder (diffusers)"), QDir::homePath());
}

QString DialogService::savePicture(QWidget* parent, const QString& suggestion) {
  return QFileDialog::getSaveFileName(
      parent, Tr::tr("Save the picture"), suggestion, Tr::tr("PNG (*.png)"));
}

QString DialogService::exportTarget(QWidget* parent, const QString& suggestion, bool folder) {
  return QFileDialog::getSaveFileName(parent,
                                      folder ? Tr::tr("Export the model into a new folder")
                                             : Tr::tr("Export the adapter to a file"),
                                      suggestion,
                                      folder ? QString() : Tr::tr("safetensors (*.safetensors)"));
}

int DialogService::ask(QWidget* parent, const Question& question) {
  QMessageBox box(
      QMessageBox::Question, question.title, question.text, QMessageBox::NoButton, parent);
  box.setObjectName("question");
  box.setInformativeText(question.detail);
  QList<QPushButton*> buttons;
  for (qsizetype i = 0; i < question.answers.size(); ++i) {
    const bool last = i + 1 == question.answers.size();
    buttons << box.addButton(question.answers[i],
                             last ? QMessageBox::RejectRole : QMessageBox::ActionRole);
    buttons.last()->setObjectName(QStringLiteral("answer%1").arg(i));
  }
  box.setDefaultButton(buttons.value(question.preferred));
  box.setEscapeButton(buttons.last());
  box.exec();
  const qsizetype chosen = buttons.indexOf(qobject_cast<QPushButton*>(box.clickedButton()));
  return static_cast<int>(chosen < 0 ? buttons.size() - 1 : chosen);
}

void DialogService::showFolder(const QString& folder) {
  QDesktopServices::openUrl(QUrl::fromLocalFile(folder));
}

}  // namespace likeness::ui

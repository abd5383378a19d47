#include "ui/dialogs/dialog_service.h"

#include <QCoreApplication>
#include <QDesktopServices>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QMessageBox>
#include <QPushButton>
#include <QUrl>

namespace likeness::ui {
namespace {
struct DialogTr {
  Q_DECLARE_TR_FUNCTIONS(DialogService)
};
QString pictureFilter() {
  return DialogTr::tr(
      "Pictures (*.jpg *.jpeg *.png *.webp *.heic *.heif *.JPG *.JPEG *.PNG);;All files (*)");
}
}  // namespace

QString DialogService::newProject(QWidget* parent) {
  return QFileDialog::getSaveFileName(parent,
                                      DialogTr::tr("New project"),
                                      QDir::home().filePath(DialogTr::tr("my-subject.likeness")),
                                      DialogTr::tr("Likeness projects (*.likeness)"));
}

QString DialogService::openProject(QWidget* parent) {
  return QFileDialog::getExistingDirectory(
      parent, DialogTr::tr("Open a project folder (NAME.likeness)"), QDir::homePath());
}

QStringList DialogService::photos(QWidget* parent) {
  return QFileDialog::getOpenFileNames(
      parent, DialogTr::tr("Choose photos"), QDir::homePath(), pictureFilter());
}

QString DialogService::picture(QWidget* parent, const QString& title) {
  return QFileDialog::getOpenFileName(parent, title, QDir::homePath(), pictureFilter());
}

QString DialogService::textFile(QWidget* parent, const QString& title) {
  return QFileDialog::getOpenFileName(
      parent, title, QDir::homePath(), DialogTr::tr("Text files (*.txt);;All files (*)"));
}

QString DialogService::modelFolder(QWidget* parent) {
  return QFileDialog::getExistingDirectory(
      parent, DialogTr::tr("Choose a model folder (diffusers)"), QDir::homePath());
}

QStringList DialogService::modelFiles(QWidget* parent, const QString& title, bool several) {
  const QString filter = DialogTr::tr(
      "Model files (*.safetensors *.ckpt *.pt *.pth *.bin model_index.json);;All files (*)");
  QStringList files;
  if (several)
    files = QFileDialog::getOpenFileNames(parent, title, QDir::homePath(), filter);
  else
    files << QFileDialog::getOpenFileName(parent, title, QDir::homePath(), filter);
  files.removeAll(QString());
  for (QString& file : files)
    if (QFileInfo(file).fileName() == QLatin1String("model_index.json"))
      file = QFileInfo(file).absolutePath();
  return files;
}

QString DialogService::savePicture(QWidget* parent, const QString& suggestion) {
  return QFileDialog::getSaveFileName(
      parent, DialogTr::tr("Save the picture"), suggestion, DialogTr::tr("PNG (*.png)"));
}

QString DialogService::saveTable(QWidget* parent, const QString& suggestion) {
  return QFileDialog::getSaveFileName(
      parent, DialogTr::tr("Save the table"), suggestion, DialogTr::tr("Tables (*.csv)"));
}

QString DialogService::exportTarget(QWidget* parent, const QString& suggestion, bool folder) {
  return QFileDialog::getSaveFileName(
      parent,
      folder ? DialogTr::tr("Export the model into a new folder")
             : DialogTr::tr("Export the adapter to a file"),
      suggestion,
      folder ? QString() : DialogTr::tr("safetensors (*.safetensors)"));
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

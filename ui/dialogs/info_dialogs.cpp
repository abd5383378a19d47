#include "ui/dialogs/info_dialogs.h"

#include <QApplication>
#include <QDialog>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/palette.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

struct InfoTr {
  Q_DECLARE_TR_FUNCTIONS(Dialogs)
};

QDialog* makeDialog(QWidget* parent, const char* name, const QString& title, QVBoxLayout** column) {
  auto* dialog = new QDialog(parent ? parent->window() : nullptr);
  dialog->setObjectName(QLatin1String(name));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(title);
  *column = new QVBoxLayout(dialog);
  (*column)->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  (*column)->setSpacing(kGrid);
  return dialog;
}

QHBoxLayout* closeRow(QDialog* dialog, const char* name) {
  auto* close = makeButton(name, InfoTr::tr("Close"));
  QObject::connect(close, &QPushButton::clicked, dialog, &QDialog::close);
  auto* row = new QHBoxLayout;
  row->addStretch();
  row->addWidget(close);
  return row;
}

}  // namespace

void showAbout(QWidget* parent, DialogService& dialogs, const QString& logFolder) {
  QVBoxLayout* column = nullptr;
  QDialog* dialog = makeDialog(parent, "aboutDialog", InfoTr::tr("About Likeness"), &column);
  auto* title = new QLabel(InfoTr::tr("Likeness %1").arg(QApplication::applicationVersion()));
  title->setObjectName("aboutVersion");
  setTextRole(title, TextRole::Title);
  column->addWidget(title);
  column->addWidget(makeSelectable(
      InfoTr::tr("Teaches an image model one subject from a few photos, on your own machine.")));
  auto* form = new QFormLayout;
  form->setHorizontalSpacing(kMargin);
  form->addRow(InfoTr::tr("Licence"),
               makeSelectable(InfoTr::tr("See the file LICENSE that comes with the program.")));
  form->addRow(
      InfoTr::tr("Built with"),
      makeSelectable(InfoTr::tr("Qt %1 (LGPL), LibTorch (BSD), QCustomPlot (GPL), OpenCV (Apache)")
                         .arg(QString::fromLatin1(qVersion()))));
  auto* log = makeSelectable(logFolder);
  log->setObjectName("aboutLog");
  form->addRow(InfoTr::tr("Log"), log);
  column->addLayout(form);
  column->addStretch();
  auto* row = closeRow(dialog, "aboutClose");
  auto* open = makeButton("aboutOpenLog", InfoTr::tr("Open the log folder"));
  QObject::connect(open, &QPushButton::clicked, dialog, [&dialogs, logFolder] {
    dialogs.showFolder(logFolder);
  });
  row->insertWidget(0, open);
  column->addLayout(row);
  dialog->resize(480, 240);
  dialog->show();
}

void showPicture(QWidget* parent, const QImage& image, const QString& caption) {
  QVBoxLayout* column = nullptr;
  QDialog* dialog = makeDialog(parent, "pictureDialog", InfoTr::tr("Picture"), &column);
  auto* view = new ImageView;
  view->setImage(image);
  view->setAccessibleName(caption);
  column->addWidget(view, 1);
  column->addWidget(makeHint(caption));
  column->addLayout(closeRow(dialog, "pictureClose"));
  dialog->resize(640, 680);
  dialog->show();
}

}  // namespace likeness::ui

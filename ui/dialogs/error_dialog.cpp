#include "ui/dialogs/error_dialog.h"

#include <QApplication>
#include <QClipboard>
#include <QDialog>
#include <QHBoxLayout>
#include <QPlainTextEdit>
#include <QSysInfo>
#include <QVBoxLayout>

#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {
struct DetailsTr {
  Q_DECLARE_TR_FUNCTIONS(ErrorDialog)
};
}  // namespace

void showErrorDetails(QWidget* parent,
                      const QString& sentence,
                      const QString& hint,
                      const QString& detail) {
  auto* dialog = new QDialog(parent ? parent->window() : nullptr);
  dialog->setObjectName("errorDialog");
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(DetailsTr::tr("Details"));
  dialog->resize(560, 320);
  auto* words = makeSection(sentence);
  words->setWordWrap(true);
  auto* text = new QPlainTextEdit(detail);
  text->setObjectName("errorDetail");
  text->setAccessibleName(DetailsTr::tr("Details"));
  text->setReadOnly(true);
  auto* copy = makeButton("errorCopy", DetailsTr::tr("Copy everything"));
  auto* close = makeButton("errorClose", DetailsTr::tr("Close"));
  QObject::connect(copy, &QPushButton::clicked, dialog, [sentence, hint, detail] {
    QApplication::clipboard()->setText(QStringLiteral("%1\n%2\n\n%3\n\n%4 %5, Qt %6, %7")
                                           .arg(sentence,
                                                hint,
                                                detail,
                                                QApplication::applicationName(),
                                                QApplication::applicationVersion(),
                                                QString::fromLatin1(qVersion()),
                                                QSysInfo::prettyProductName()));
  });
  QObject::connect(close, &QPushButton::clicked, dialog, &QDialog::close);
  auto* buttons = new QHBoxLayout;
  buttons->addWidget(copy);
  buttons->addStretch();
  buttons->addWidget(close);
  auto* column = new QVBoxLayout(dialog);
  column->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  column->addWidget(words);
  column->addWidget(makeHint(hint));
  column->addWidget(text, 1);
  column->addLayout(buttons);
  dialog->show();
}

}  // namespace likeness::ui

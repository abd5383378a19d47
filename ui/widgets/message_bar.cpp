#include "ui/widgets/message_bar.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/dialogs/error_dialog.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {

MessageBar::MessageBar(QWidget* parent)
    : QFrame(parent),
      m_icon(new QLabel),
      m_sentence(new QLabel),
      m_hint(makeHint()),
      m_action(makeButton("messageAction", {})),
      m_details(makeButton("messageDetails", tr("Details…"))),
      m_close(makeButton("messageClose", tr("Close"))) {
  setObjectName("messageBar");
  setProperty("bar", true);
  m_sentence->setObjectName("messageSentence");
  m_sentence->setWordWrap(true);
  m_sentence->setTextFormat(Qt::PlainText);
  m_hint->setTextFormat(Qt::PlainText);
  auto* words = new QVBoxLayout;
  words->setSpacing(2);
  words->addWidget(m_sentence);
  words->addWidget(m_hint);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(12, 8, 12, 8);
  row->setSpacing(12);
  row->addWidget(m_icon);
  row->addLayout(words, 1);
  for (QPushButton* button : {m_action, m_details, m_close}) row->addWidget(button);
  connect(m_close, &QPushButton::clicked, this, &MessageBar::dismiss);
  connect(m_action, &QPushButton::clicked, this, [this] {
    dismiss();
    if (m_act) m_act();
  });
  connect(m_details, &QPushButton::clicked, this, [this] {
    showErrorDetails(this, m_words, m_help, m_detail);
  });
  hide();
}

QString MessageBar::sentence() const { return isHidden() ? QString() : m_words; }

void MessageBar::showError(const api::Error& error) {
  const ErrorText text = Texts::forError(error);
  present("error", "error", text.sentence, text.hint, text.detail);
}

void MessageBar::showWarning(const api::Error& error) {
  const ErrorText text = Texts::forError(error);
  present("warning", "warning", text.sentence, text.hint, text.detail);
}

void MessageBar::showNote(const QString& sentence, const QString& hint) {
  present("info", "", sentence, hint, {});
}

void MessageBar::showOffer(const QString& sentence,
                           const QString& hint,
                           const QString& action,
                           std::function<void()> act,
                           const QString& decline) {
  present("info", "", sentence, hint, {});
  offer(action, std::move(act), decline);
}

void MessageBar::offer(const QString& action, std::function<void()> act, const QString& decline) {
  m_act = std::move(act);
  m_action->setText(action);
  m_action->show();
  m_close->setText(decline);
}

void MessageBar::present(const char* name,
                         const char* tone,
                         const QString& sentence,
                         const QString& hint,
                         const QString& detail) {
  const QLatin1String what(tone);
  m_icon->setPixmap(icon(name,
                         what == QLatin1String("error")     ? Tint::Error
                         : what == QLatin1String("warning") ? Tint::Warning
                                                            : Tint::Accent)
                        .pixmap(20, 20));
  m_words = sentence;
  m_help = hint;
  m_sentence->setText(breakable(sentence));
  m_hint->setText(breakable(hint));
  m_hint->setVisible(!hint.isEmpty());
  m_detail = detail;
  m_details->setVisible(!detail.isEmpty());
  m_action->hide();
  m_act = nullptr;
  m_close->setText(tr("Close"));
  setAccessibleName(sentence);
  show();
}

void MessageBar::dismiss() { hide(); }

}  // namespace likeness::ui

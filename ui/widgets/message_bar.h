// A sentence that stays until it is answered: what happened, what to do, details behind a button.
// Never modal.
#pragma once

#include <QFrame>
#include <functional>

#include "core/api/result.h"

class QHBoxLayout;
class QLabel;
class QPushButton;

namespace likeness::ui {

class MessageBar : public QFrame {
  Q_OBJECT
 public:
  explicit MessageBar(QWidget* parent = nullptr);

  void showError(const api::Error& error);
  void showWarning(const api::Error& error);
  void showNote(const QString& sentence, const QString& hint = {});
  /// With one thing to do about it.
  void showOffer(const QString& sentence,
                 const QString& hint,
                 const QString& action,
                 std::function<void()> act,
                 const QString& decline);
  /// One thing to do about what the bar says now, beside what it says.
  void offer(const QString& action, std::function<void()> act, const QString& decline);
  void dismiss();
  QString sentence() const;

 private:
  void present(const char* icon,
               const char* tone,
               const QString& sentence,
               const QString& hint,
               const QString& detail);

  QLabel *m_icon, *m_sentence, *m_hint;
  QPushButton *m_action, *m_details, *m_close;
  QString m_words, m_help, m_detail;
  std::function<void()> m_act;
};

}  // namespace likeness::ui

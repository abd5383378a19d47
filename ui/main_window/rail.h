// The steps at the left, each with its state in a few words.
#pragma once

#include <QFrame>

class QButtonGroup;
class QToolButton;

namespace likeness::ui {

enum class Page { Photos, Train, Compare, Create, Library };

class Rail : public QFrame {
  Q_OBJECT
 public:
  explicit Rail(QWidget* parent = nullptr);
  void setCurrent(Page page);
  /// "5, 1 to check"; empty for nothing.
  void setNote(Page page, const QString& note);
  /// Under the pages, at the lower end; latest lowest.
  void addFoot(QWidget* widget);

 Q_SIGNALS:
  void chosen(Page page);

 private:
  QButtonGroup* m_group;
};

}  // namespace likeness::ui

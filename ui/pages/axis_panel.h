// A part of the Compare page: what the rows, or the columns, stand for, and its values.
#pragma once

#include <QWidget>

#include "ui/models/compare_choices.h"

class QComboBox;
class QLineEdit;
class QListWidget;
class QPlainTextEdit;

namespace likeness::ui {

class AxisPanel : public QWidget {
  Q_OBJECT
 public:
  /// `name` begins the object names; `choices` outlives the panel and belongs to both.
  AxisPanel(const char* name,
            const QString& title,
            CompareChoices& choices,
            api::Axis axis,
            QWidget* parent = nullptr);

  api::Axis axis() const;
  void setAxis(api::Axis axis);  ///< emits nothing
  /// The choices have changed elsewhere.
  void refresh();

  struct Values {
    api::SheetAxis axis;
    QStringList captions;
    QString problem;  ///< why there are none, a sentence
  };
  Values values(const api::SubjectOptions& subject) const;

 Q_SIGNALS:
  /// The person has chosen another axis; `before` is free now.
  void axisChosen(likeness::api::Axis before);
  void changed();

 private:
  void showEditor();

  CompareChoices& m_choices;
  api::Axis m_axis;
  QComboBox* m_kind;
  QListWidget* m_weights;
  QLineEdit* m_numbers;
  QPlainTextEdit* m_prompts;
};

}  // namespace likeness::ui

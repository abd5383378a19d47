// A form made from the field tables: one editor per option, each with its reset arrow.
#pragma once

#include <QHash>
#include <QWidget>
#include <functional>
#include <vector>

#include "ui/util/option_fields.h"

class QLineEdit;
class QToolButton;
class QVBoxLayout;

namespace likeness::ui {

class OptionForm : public QWidget {
  Q_OBJECT
 public:
  /// The options of one kind of request; `skip` lists paths that the page shows by other means.
  explicit OptionForm(const std::vector<OptionField>& options,
                      const QStringList& skip = {},
                      QWidget* parent = nullptr);

  /// Shows a request; `recommended` is where the reset arrows lead. Emits nothing.
  template <class Request>
  void setRequest(const Request& request, const Request& recommended) {
    setValues([&](const std::string& path) { return readOption(request, path); },
              [&](const std::string& path) { return readOption(recommended, path); });
  }
  /// Marks the fields of these problems; all others are unmarked.
  void setProblems(const std::vector<api::FieldError>& problems);
  /// Puts a picture of what an option does under its editor; both are found together.
  void illustrate(const QString& path, QWidget* picture);
  /// Paths that have an editor here.
  QStringList paths() const;

 Q_SIGNALS:
  void edited(const QString& path, const likeness::api::FieldValue& value);

 private:
  struct Row {
    QWidget* box = nullptr;     ///< label, editor and arrow
    QWidget* editor = nullptr;  ///< object name "option:PATH"
    QToolButton* reset = nullptr;
    QString words;  ///< what the search looks at
    std::function<void(const api::FieldValue&)> show;
    api::FieldValue value, recommended;
  };
  using Values = std::function<api::FieldValue(const std::string& path)>;
  void setValues(const Values& values, const Values& recommended);
  void addSection(QVBoxLayout* column, const std::vector<OptionField>& fields);
  Row makeRow(const OptionField& field);
  void take(const QString& path, const api::FieldValue& value);
  void filter(const QString& words);

  QLineEdit* m_search;
  QHash<QString, Row> m_rows;
  QStringList m_order;
  std::vector<std::pair<QWidget*, QStringList>> m_sections;
};

}  // namespace likeness::ui

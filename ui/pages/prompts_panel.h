// A part of the Create page: several prompts, in place of the one.
#pragma once

#include <QWidget>
#include <string>
#include <vector>

class QPlainTextEdit;

namespace likeness::ui {

class DialogService;
class MessageBar;

class PromptsPanel : public QWidget {
  Q_OBJECT
 public:
  /// Refusals are said on `message`.
  PromptsPanel(DialogService& dialogs, MessageBar& message, QWidget* parent = nullptr);
  /// One of each line, without empty ones and those that begin with #.
  std::vector<std::string> prompts() const;
  void setPrompts(const std::vector<std::string>& prompts);
  /// Takes the lines of a text file, read off the GUI thread.
  void load(const QString& file);

 Q_SIGNALS:
  void changed();

 private:
  MessageBar& m_message;
  QPlainTextEdit* m_edit;
};

}  // namespace likeness::ui

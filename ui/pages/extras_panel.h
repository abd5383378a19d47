// A part of the Create page: what is put on the model, LoRAs with their strengths, and embeddings
// with the words that call them.
#pragma once

#include <QWidget>
#include <functional>
#include <vector>

#include "core/api/workspace.h"

class QPushButton;
class QVBoxLayout;

namespace likeness::ui {

class DialogService;
class MessageBar;
class ProjectModel;

class ExtrasPanel : public QWidget {
  Q_OBJECT
 public:
  /// Refusals are said on `message`.
  ExtrasPanel(ProjectModel& project,
              DialogService& dialogs,
              MessageBar& message,
              QWidget* parent = nullptr);

  /// Looks at files off the GUI thread and takes those that are a LoRA or an embedding.
  void add(const QStringList& files);

  void setRequest(const api::GenerateRequest& request);
  void fill(api::GenerateRequest& request) const;
  QString summary() const;  ///< "2 LoRAs, 1 embedding"; empty without any

 Q_SIGNALS:
  void changed();
  /// The word of an embedding, to be written into the prompt.
  void wordChosen(const QString& word);

 private:
  void take(const QString& file, const api::Result<api::ModelReport>& report);
  void showRows();
  QWidget* makeAdapterRow(std::size_t index);
  QWidget* makeEmbeddingRow(std::size_t index);
  /// What stands for the file, the row's own buttons, what the file is, and its removal; `name`
  /// begins the object names.
  QWidget* makeFileRow(const QString& file,
                       const QString& name,
                       const QString& text,
                       std::initializer_list<QWidget*> buttons,
                       std::function<void()> remove);
  ProjectModel& m_project;
  DialogService& m_dialogs;
  MessageBar& m_message;
  std::vector<api::AdapterRef> m_adapters;
  std::vector<std::string> m_embeddings;
  QWidget* m_rows = nullptr;
  QVBoxLayout* m_column;
  QPushButton* m_add;
};

}  // namespace likeness::ui

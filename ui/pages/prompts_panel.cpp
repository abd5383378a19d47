#include "ui/pages/prompts_panel.h"

#include <QPlainTextEdit>
#include <QVBoxLayout>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/text_file.h"
#include "ui/widgets/file_drop.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kPromptLines = 5;  // shown at once

std::vector<std::string> promptsIn(const QString& text) {
  std::vector<std::string> prompts;
  for (const QString& line : text.split(QLatin1Char('\n'))) {
    const QString words = line.trimmed();
    if (!words.isEmpty() && !words.startsWith(QLatin1Char('#'))) prompts.push_back(toStd(words));
  }
  return prompts;
}

}  // namespace

PromptsPanel::PromptsPanel(DialogService& dialogs, MessageBar& message, QWidget* parent)
    : QWidget(parent), m_message(message), m_edit(new QPlainTextEdit) {
  m_edit->setObjectName("prompts");
  m_edit->setAccessibleName(tr("Several prompts"));
  m_edit->setAccessibleDescription(tr("A prompt on each line, in place of the one above."));
  m_edit->setPlaceholderText(tr("A prompt on each line. Lines that begin with # are skipped."));
  m_edit->setTabChangesFocus(true);
  m_edit->setFixedHeight(m_edit->fontMetrics().lineSpacing() * kPromptLines + 14);
  auto* load = makeButton("promptsLoad", tr("Load a file…"));
  load->setIcon(icon("folder"));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  column->addWidget(m_edit);
  column->addWidget(load);
  // Otherwise the editor would take the name of any file for words.
  for (QWidget* part : {static_cast<QWidget*>(m_edit), m_edit->viewport()})
    acceptFiles(
        part,
        [](const QStringList& files) { return files.size() == 1 && isTextPath(files.first()); },
        [this](const QStringList& files) { this->load(files.first()); });
  connect(m_edit, &QPlainTextEdit::textChanged, this, &PromptsPanel::changed);
  connect(load, &QPushButton::clicked, this, [this, &dialogs] {
    const QString file = dialogs.textFile(this, tr("Choose a file of prompts"));
    if (!file.isEmpty()) this->load(file);
  });
}

std::vector<std::string> PromptsPanel::prompts() const { return promptsIn(m_edit->toPlainText()); }

void PromptsPanel::setPrompts(const std::vector<std::string>& prompts) {
  QStringList lines;
  for (const std::string& prompt : prompts) lines << fromStd(prompt);
  m_edit->setPlainText(lines.join(QLatin1Char('\n')));
}

void PromptsPanel::load(const QString& file) {
  inBackground(
      this,
      [file]() -> api::Result<QString> {
        auto text = readTextFile(file);
        if (text && promptsIn(*text).empty())
          return api::fail(api::ErrorCode::FileUnreadable,
                           {{"file", toStd(file)}, {"reason", "it holds no prompt"}});
        return text;
      },
      [this](const api::Result<QString>& text) {
        if (text)
          m_edit->setPlainText(text->trimmed());
        else
          m_message.showError(text.error());
      });
}

}  // namespace likeness::ui

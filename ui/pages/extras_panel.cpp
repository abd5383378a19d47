#include "ui/pages/extras_panel.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/dialogs/dialog_service.h"
#include "ui/dialogs/inspect_dialog.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/model_words.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/value_slider.h"

namespace likeness::ui {
namespace {

// The slider holds what is usual; the number beside it reaches as far as a request may.
constexpr double kLeastStrength = -2, kUsualStrength = 2, kMostStrength = 10;

/// An embedding's word, as core/weights names it: the file without its ending.
QString wordOf(const std::string& embedding) {
  return QFileInfo(fromStd(embedding)).completeBaseName();
}

}  // namespace

ExtrasPanel::ExtrasPanel(ProjectModel& project,
                         DialogService& dialogs,
                         MessageBar& message,
                         QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_dialogs(dialogs),
      m_message(message),
      m_column(new QVBoxLayout(this)),
      m_add(makeButton("extrasAdd", tr("Add a LoRA or an embedding…"))) {
  m_column->setContentsMargins(0, 0, 0, 0);
  m_column->setSpacing(kGrid);
  m_add->setIcon(icon("add"));
  m_add->setToolTip(tr("Files of weights; they can also be dropped on this page."));
  m_column->addWidget(m_add);
  connect(m_add, &QPushButton::clicked, this, [this] {
    add(m_dialogs.modelFiles(this, tr("Choose LoRAs or embeddings"), true));
  });
  showRows();
}

void ExtrasPanel::add(const QStringList& files) {
  inBackground(
      this,
      [&workspace = m_project.workspace(), files] {
        std::vector<api::Result<api::ModelReport>> reports;
        for (const QString& file : files) reports.push_back(workspace.inspect(toPath(file)));
        return reports;
      },
      [this, files](const std::vector<api::Result<api::ModelReport>>& reports) {
        for (std::size_t i = 0; i < reports.size(); ++i)
          take(files[static_cast<qsizetype>(i)], reports[i]);
      });
}

void ExtrasPanel::take(const QString& file, const api::Result<api::ModelReport>& report) {
  if (!report) return m_message.showError(report.error());
  const bool adapter = report->type == api::ModelType::Adapter;
  const bool fitting = adapter || report->type == api::ModelType::Embedding;
  if (!fitting || !report->problems.empty()) {
    m_message.showOffer(
        tr("“%1” cannot be put on a model: %2")
            .arg(ModelWords::name(file),
                 fitting ? fromStd(report->problems.front())
                         : tr("it is neither a LoRA nor an embedding.")),
        ModelWords::sentence(*report) + QLatin1Char(' ') + ModelWords::place(report->type),
        tr("What is this file?"),
        [this, file] { InspectDialog::open(m_project, m_dialogs, file, this); },
        tr("Close"));
    return;
  }
  if (adapter) {
    const std::filesystem::path path = toPath(file);
    if (std::ranges::any_of(m_adapters, [&](const auto& known) { return known.file == path; }))
      return;
    m_adapters.push_back({path, 1});
  } else {
    if (std::ranges::find(m_embeddings, toStd(file)) != m_embeddings.end()) return;
    m_embeddings.push_back(toStd(file));
  }
  showRows();
  Q_EMIT changed();
}

void ExtrasPanel::setRequest(const api::GenerateRequest& request) {
  m_adapters = request.adapters;
  m_embeddings = request.embeddings;
  showRows();
  Q_EMIT changed();
}

void ExtrasPanel::fill(api::GenerateRequest& request) const {
  request.adapters = m_adapters;
  request.embeddings = m_embeddings;
}

QString ExtrasPanel::summary() const {
  QStringList parts;
  if (!m_adapters.empty()) parts << tr("%n LoRA(s)", nullptr, static_cast<int>(m_adapters.size()));
  if (!m_embeddings.empty())
    parts << tr("%n embedding(s)", nullptr, static_cast<int>(m_embeddings.size()));
  return parts.join(QStringLiteral(", "));
}

void ExtrasPanel::showRows() {
  // The button that was pressed is one of them, so they go when it has returned.
  if (m_rows) {
    m_rows->hide();
    m_rows->setParent(nullptr);
    m_rows->deleteLater();
  }
  m_rows = new QWidget;
  auto* rows = new QVBoxLayout(m_rows);
  rows->setContentsMargins(0, 0, 0, 0);
  rows->setSpacing(kGrid);
  for (std::size_t i = 0; i < m_adapters.size(); ++i) rows->addWidget(makeAdapterRow(i));
  for (std::size_t i = 0; i < m_embeddings.size(); ++i) rows->addWidget(makeEmbeddingRow(i));
  m_column->insertWidget(0, m_rows);
  m_rows->setVisible(!m_adapters.empty() || !m_embeddings.empty());
}

QWidget* ExtrasPanel::makeFileRow(const QString& file,
                                  const QString& name,
                                  const QString& text,
                                  std::initializer_list<QWidget*> buttons,
                                  std::function<void()> remove) {
  auto* label =
      new ElidedLabel(QFileInfo::exists(file) ? text : tr("%1 (the file is gone)").arg(text));
  label->setObjectName(name + QLatin1String("Name"));
  if (!QFileInfo::exists(file)) setTone(label, "warning");
  auto* info = makeTool(qPrintable(name + QLatin1String("Info")), "info", tr("What this file is"));
  auto* away = makeTool(qPrintable(name + QLatin1String("Remove")), "remove", tr("Take it off"));
  auto* row = makeRow({label}, 0);
  for (QWidget* button : buttons) row->layout()->addWidget(button);
  row->layout()->addWidget(info);
  row->layout()->addWidget(away);
  for (auto* button : row->findChildren<QToolButton*>())
    button->setAccessibleName(QStringLiteral("%1: %2").arg(text, button->toolTip()));
  connect(info, &QToolButton::clicked, this, [this, file] {
    InspectDialog::open(m_project, m_dialogs, file, this);
  });
  connect(away, &QToolButton::clicked, this, [this, remove = std::move(remove)] {
    remove();
    showRows();
    m_add->setFocus();
    Q_EMIT changed();
  });
  return row;
}

QWidget* ExtrasPanel::makeAdapterRow(std::size_t index) {
  const QString name = QStringLiteral("adapter%1").arg(index);
  const QString text = fromPath(m_adapters[index].file.filename());
  const auto at = static_cast<std::ptrdiff_t>(index);
  auto* up = makeTool(
      qPrintable(name + QLatin1String("Up")), "move-up", tr("Put it on before the one above"));
  if (index == 0) up->hide();
  connect(up, &QToolButton::clicked, this, [this, index] {
    std::swap(m_adapters[index], m_adapters[index - 1]);
    showRows();
    // Where the row has gone; the first has no way up.
    m_rows->findChild<QWidget*>(QStringLiteral("adapter%1StrengthSlider").arg(index - 1))
        ->setFocus();
    Q_EMIT changed();
  });
  auto* strength = new ValueSlider(qPrintable(name + QLatin1String("Strength")),
                                   kLeastStrength,
                                   kMostStrength,
                                   0.05,
                                   kUsualStrength);
  strength->setAccessibleTexts(
      tr("Strength of %1").arg(text),
      tr("1 as it was trained, 0 not at all; below 0 it works the other way round."));
  strength->setValue(m_adapters[index].strength);
  connect(strength, &ValueSlider::edited, this, [this, index](double value) {
    m_adapters[index].strength = value;
    Q_EMIT changed();
  });
  auto* row = new QWidget;
  auto* column = new QVBoxLayout(row);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(2);
  column->addWidget(makeFileRow(fromPath(m_adapters[index].file), name, text, {up}, [this, at] {
    m_adapters.erase(m_adapters.begin() + at);
  }));
  column->addWidget(strength);
  return row;
}

QWidget* ExtrasPanel::makeEmbeddingRow(std::size_t index) {
  const QString name = QStringLiteral("embedding%1").arg(index);
  const QString word = wordOf(m_embeddings[index]);
  const auto at = static_cast<std::ptrdiff_t>(index);
  auto* insert = makeTool(
      qPrintable(name + QLatin1String("Insert")), "add", tr("Write its word into the prompt"));
  connect(insert, &QToolButton::clicked, this, [this, word] { Q_EMIT wordChosen(word); });
  return makeFileRow(
      fromStd(m_embeddings[index]), name, tr("Write “%1”").arg(word), {insert}, [this, at] {
        m_embeddings.erase(m_embeddings.begin() + at);
      });
}

}  // namespace likeness::ui

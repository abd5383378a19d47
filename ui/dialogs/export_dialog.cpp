#include "ui/dialogs/export_dialog.h"

#include <QComboBox>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLocale>
#include <QProgressBar>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/convert.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

QComboBox* makeCombo(const char* name) {
  auto* combo = new QComboBox;
  combo->setObjectName(QLatin1String(name));
  return combo;
}

/// What the check found, in words; figures that say nothing to a person are left out.
QString figureText(const std::string& name, const api::FieldValue& value) {
  double number = 0;
  if (const auto* real = std::get_if<double>(&value)) number = *real;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) number = static_cast<double>(*whole);
  if (name == "max_difference")
    return ExportDialog::tr("Largest difference of a test picture: %1 of 255")
        .arg(QLocale().toString(number, 'g', 3));
  if (name == "bytes")
    return ExportDialog::tr("Size: %1").arg(Texts::bytes(static_cast<std::uint64_t>(number)));
  return {};
}

}  // namespace

ExportDialog::ExportDialog(ProjectModel& project,
                           const std::vector<api::RunSummary>& runs,
                           Job& job,
                           DialogService& dialogs,
                           QWidget* parent)
    : QDialog(parent),
      m_project(project),
      m_job(job),
      m_dialogs(dialogs),
      m_run(makeCombo("exportRun")),
      m_checkpoint(makeCombo("exportCheckpoint")),
      m_format(makeCombo("exportFormat")),
      m_dtype(makeCombo("exportDtype")),
      m_target(new ElidedLabel),
      m_status(makeHint()),
      m_outcome(new QLabel),
      m_progress(new QProgressBar),
      m_choose(makeButton("exportChoose", tr("Choose…"))),
      m_export(makePrimary("exportStart", tr("Export"))),
      m_open(makeButton("exportOpen", tr("Open folder"))),
      m_close(makeButton("exportClose", tr("Close"))),
      m_message(new MessageBar) {
  setObjectName("exportDialog");
  setAttribute(Qt::WA_DeleteOnClose);
  setWindowTitle(tr("Export"));
  for (const api::RunSummary& summary : runs) {
    if (!summary.checkpoints.empty()) m_runs.push_back(summary);
  }
  for (auto it = m_runs.rbegin(); it != m_runs.rend(); ++it)
    m_run->addItem(tr("Run %1").arg(fromStd(it->name)));
  m_format->addItem(tr("Whole model, diffusers folder"), QStringLiteral("diffusers"));
  m_format->addItem(tr("Adapter, kohya LoRA file"), QStringLiteral("kohya-lora"));
  m_format->addItem(tr("Adapter, LoRA file for diffusers"), QStringLiteral("peft-lora"));
  m_dtype->addItem(tr("fp16: small, for most programs"), QStringLiteral("fp16"));
  m_dtype->addItem(tr("bf16: small, wide range"), QStringLiteral("bf16"));
  m_dtype->addItem(tr("fp32: exact, twice the size"), QStringLiteral("fp32"));

  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  column->setSpacing(kGrid + 4);
  auto* title = new QLabel(tr("Export for other programs"));
  setTextRole(title, TextRole::Title);
  column->addWidget(title);
  auto* which = new QHBoxLayout;
  addField(which, tr("Run"), m_run);
  addField(which, tr("Checkpoint"), m_checkpoint);
  column->addLayout(which);
  addField(column, tr("Form"), m_format);
  addField(column, tr("Precision"), m_dtype);
  auto* target = new QHBoxLayout;
  m_target->setObjectName("exportTarget");
  target->addWidget(m_target, 1);
  target->addWidget(m_choose);
  auto* caption = makeHint(tr("Where to"));
  column->addWidget(caption);
  column->addLayout(target);
  column->addWidget(m_message);
  column->addWidget(m_status);
  column->addWidget(m_progress);
  m_outcome->setObjectName("exportOutcome");
  m_outcome->setWordWrap(true);
  m_outcome->setTextFormat(Qt::PlainText);
  column->addWidget(m_outcome);
  column->addStretch();
  auto* buttons = new QHBoxLayout;
  buttons->addWidget(m_open);
  buttons->addStretch();
  buttons->addWidget(m_close);
  buttons->addWidget(m_export);
  column->addLayout(buttons);
  m_open->hide();
  m_export->setDefault(true);
  resize(520, 420);

  connect(m_run, &QComboBox::currentIndexChanged, this, &ExportDialog::fillCheckpoints);
  connect(m_checkpoint, &QComboBox::currentIndexChanged, this, &ExportDialog::suggestTarget);
  connect(m_format, &QComboBox::currentIndexChanged, this, &ExportDialog::suggestTarget);
  connect(m_choose, &QPushButton::clicked, this, [this] {
    const QString out = m_dialogs.exportTarget(this, m_out, m_format->currentIndex() == 0);
    if (out.isEmpty()) return;
    m_out = out;
    static_cast<ElidedLabel*>(m_target)->setFullText(m_out);
  });
  connect(m_export, &QPushButton::clicked, this, &ExportDialog::begin);
  connect(m_open, &QPushButton::clicked, this, [this] {
    m_dialogs.showFolder(QFileInfo(m_out).absolutePath());
  });
  connect(m_close, &QPushButton::clicked, this, [this] {
    if (m_job.active())
      m_job.stop();
    else
      close();
  });
  connect(&m_job, &Job::changed, this, &ExportDialog::update);
  connect(&m_job, &Job::ended, this, &ExportDialog::showOutcome);
  fillCheckpoints();
  update();
}

void ExportDialog::choose(const std::filesystem::path& run, std::int64_t step) {
  const auto found = std::ranges::find(m_runs, run, &api::RunSummary::folder);
  if (found == m_runs.end() || m_job.active()) return;
  m_run->setCurrentIndex(static_cast<int>(m_runs.end() - found) - 1);
  m_checkpoint->setCurrentIndex(m_checkpoint->findData(QString::number(step)));
}

const api::RunSummary& ExportDialog::run() const {
  const auto row = static_cast<std::size_t>(std::max(0, m_run->currentIndex()));
  return m_runs[m_runs.size() - 1 - row];
}

void ExportDialog::fillCheckpoints() {
  m_checkpoint->clear();
  if (m_runs.empty()) return;
  const api::RunSummary& summary = run();
  m_checkpoint->addItem(tr("latest, step %1").arg(summary.checkpoints.back()),
                        QStringLiteral("latest"));
  if (summary.best)
    m_checkpoint->addItem(tr("best, step %1").arg(*summary.best), QString::number(*summary.best));
  for (auto it = summary.checkpoints.rbegin(); it != summary.checkpoints.rend(); ++it)
    m_checkpoint->addItem(tr("step %1").arg(*it), QString::number(*it));
  const bool lora = summary.request.training.method == api::Method::Lora;
  m_format->setCurrentIndex(lora ? 1 : 0);
  // A whole-model run holds no adapter to write.
  m_format->setEnabled(lora);
  suggestTarget();
}

void ExportDialog::suggestTarget() {
  if (m_runs.empty()) return;
  const bool folder = m_format->currentIndex() == 0;
  QString checkpoint = m_checkpoint->currentData().toString();
  if (checkpoint == QLatin1String("latest")) checkpoint = QString::number(run().checkpoints.back());
  const QString name =
      QStringLiteral("%1-%2-%3").arg(m_project.name(), fromStd(run().name), checkpoint);
  m_out = fromPath(m_project.project().folder / "exports" / toPath(name));
  if (!folder) m_out += QLatin1String(".safetensors");
  static_cast<ElidedLabel*>(m_target)->setFullText(m_out);
}

void ExportDialog::begin() {
  if (m_runs.empty() || m_job.active()) return;
  m_message->dismiss();
  m_outcome->clear();
  m_open->hide();
  api::ExportRequest request;
  request.runFolder = run().folder;
  request.checkpoint = toStd(m_checkpoint->currentData().toString());
  api::parseEnum(toStd(m_format->currentData().toString()), request.format);
  api::parseEnum(toStd(m_dtype->currentData().toString()), request.dtype);
  request.out = toPath(m_out);
  request.compute = run().request.compute;
  m_job.start(std::move(request));
}

void ExportDialog::update() {
  const bool active = m_job.active();
  const bool lora = !m_runs.empty() && run().request.training.method == api::Method::Lora;
  for (QWidget* widget : {static_cast<QWidget*>(m_run),
                          static_cast<QWidget*>(m_checkpoint),
                          static_cast<QWidget*>(m_dtype),
                          static_cast<QWidget*>(m_choose)})
    widget->setEnabled(!active);
  m_format->setEnabled(!active && lora);
  m_export->setEnabled(!active && !m_runs.empty());
  m_close->setText(active ? tr("Cancel") : tr("Close"));
  m_status->setVisible(active || m_runs.empty());
  m_status->setText(m_runs.empty() ? tr("There is no checkpoint to export yet. Train first.")
                                   : m_job.describe());
  m_progress->setVisible(active);
  m_progress->setRange(0, static_cast<int>(m_job.progress().total));
  m_progress->setValue(static_cast<int>(m_job.progress().done));
}

void ExportDialog::showOutcome() {
  if (m_job.state() == JobState::Failed) {
    m_message->showError(*m_job.error());
  } else if (m_job.state() == JobState::Cancelled) {
    m_message->showNote(tr("The export was cancelled."));
  } else {
    QStringList lines{tr("Done: written, opened again and rendered to compare.")};
    for (const auto& [name, value] : m_job.figures()) {
      const QString line = figureText(name, value);
      if (!line.isEmpty()) lines << line;
    }
    m_outcome->setText(lines.join(QLatin1Char('\n')));
    setTone(m_outcome, "success");
    m_open->show();
  }
}

}  // namespace likeness::ui

#include "ui/main_window/title_row.h"

#include <QDir>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <algorithm>

#include "ui/util/convert.h"
#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {

TitleRow::TitleRow(ProjectModel& project, QWidget* parent)
    : QFrame(parent),
      m_project(project),
      m_name(new ElidedLabel),
      m_mark(new QLabel(QStringLiteral("●"))),
      m_chip(makeButton("jobChip", {})),
      m_progress(new QProgressBar) {
  setObjectName("titleRow");
  setTextRole(m_name, TextRole::Title);
  m_name->setObjectName("projectName");
  m_name->setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Preferred);
  m_mark->setObjectName("unsavedMark");
  m_mark->setToolTip(tr("Not yet saved; it is saved by itself in a moment"));
  m_mark->setAccessibleName(tr("Not yet saved"));
  setTone(m_mark, "warning");
  m_chip->setProperty("flat", true);
  m_chip->setToolTip(tr("Go there"));
  m_progress->setFixedWidth(96);
  m_progress->setAccessibleName(tr("Progress of the running job"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(kMargin, 6, kMargin, 6);
  row->setSpacing(kGrid);
  row->addWidget(m_name);
  row->addWidget(m_mark);
  row->addStretch(1);
  row->addWidget(m_chip);
  row->addWidget(m_progress);
  setMinimumHeight(44);
  connect(&project, &ProjectModel::opened, this, &TitleRow::showProject);
  connect(&project, &ProjectModel::dirtyChanged, this, &TitleRow::showProject);
  connect(&project, &ProjectModel::recipeChanged, this, &TitleRow::showProject);
  connect(m_chip, &QPushButton::clicked, this, [this] {
    if (Job* job = activeJob()) Q_EMIT jobClicked(job);
  });
  showProject();
  showJob();
}

void TitleRow::watch(Job& job) {
  m_jobs.push_back(&job);
  connect(&job, &Job::changed, this, &TitleRow::showJob);
  showJob();
}

void TitleRow::showProject() {
  QString name = m_project.name();
  if (m_project.isOpen()) {
    const QString subject = fromStd(m_project.recipe().subject.name);
    if (!subject.isEmpty() && subject.compare(name, Qt::CaseInsensitive) != 0)
      name = tr("%1 · %2").arg(name, subject);
  }
  m_name->setFullText(name);
  m_mark->setVisible(m_project.isDirty());
}

Job* TitleRow::activeJob() const {
  const auto found =
      std::find_if(m_jobs.begin(), m_jobs.end(), [](const Job* job) { return job->active(); });
  return found == m_jobs.end() ? nullptr : *found;
}

void TitleRow::showJob() {
  const Job* job = activeJob();
  m_chip->setVisible(job != nullptr);
  m_progress->setVisible(job != nullptr);
  if (!job) return;
  m_chip->setText(job->describe());
  m_chip->setAccessibleName(job->describe());
  m_progress->setRange(0, static_cast<int>(job->progress().total));
  m_progress->setValue(static_cast<int>(job->progress().done));
}

}  // namespace likeness::ui

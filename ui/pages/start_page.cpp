#include "ui/pages/start_page.h"

#include <QDir>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {

StartPage::StartPage(ProjectModel& project, QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_recentBox(new QWidget),
      m_recent(new QVBoxLayout(m_recentBox)) {
  setObjectName("page");
  auto* mark = new QLabel;
  mark->setPixmap(QIcon(QStringLiteral(":/icons/likeness.svg")).pixmap(56, 56));
  auto* title = new QLabel(tr("Teach a model one subject"));
  setTextRole(title, TextRole::Title);
  auto* words =
      makeHint(tr("Drop a few photos, say what they show, train, and make new pictures of it. "
                  "Everything stays on this "
                  "machine."));
  auto* create = makePrimary("startNew", tr("New project…"));
  auto* open = makeButton("startOpen", tr("Open a project…"));
  auto* sample = makeButton("startSample", tr("Try the sample project"));
  connect(create, &QPushButton::clicked, this, &StartPage::newRequested);
  connect(open, &QPushButton::clicked, this, &StartPage::openRequested);
  connect(sample, &QPushButton::clicked, this, &StartPage::sampleRequested);
  auto* buttons = new QHBoxLayout;
  buttons->setSpacing(kGrid);
  for (QPushButton* button : {create, open, sample}) buttons->addWidget(button);
  buttons->addStretch();

  m_recent->setContentsMargins(0, kMargin, 0, 0);
  m_recent->setSpacing(0);
  auto* column = new QWidget;
  column->setFixedWidth(560);
  auto* layout = new QVBoxLayout(column);
  layout->setSpacing(kMargin);
  layout->addWidget(mark);
  layout->addWidget(title);
  layout->addWidget(words);
  layout->addLayout(buttons);
  layout->addWidget(m_recentBox);
  auto* page = new QVBoxLayout(this);
  page->addStretch(2);
  page->addWidget(column, 0, Qt::AlignHCenter);
  page->addStretch(3);
  connect(&project, &ProjectModel::recentChanged, this, &StartPage::fillRecent);
  fillRecent();
}

void StartPage::fillRecent() {
  while (QLayoutItem* item = m_recent->takeAt(0)) {
    if (item->widget()) item->widget()->deleteLater();
    delete item;
  }
  const QStringList folders = m_project.recent();
  m_recentBox->setVisible(!folders.isEmpty());
  m_recent->addWidget(makeSection(tr("Recent projects")));
  m_recent->addSpacing(4);
  for (const QString& folder : folders.mid(0, 5)) {
    const QFileInfo info(folder);
    auto* row = makeButton("recentProject", info.completeBaseName());
    row->setProperty("flat", true);
    row->setIcon(icon("folder", Tint::Muted));
    row->setToolTip(QDir::toNativeSeparators(folder));
    row->setAccessibleDescription(folder);
    connect(row, &QPushButton::clicked, this, [this, folder] { Q_EMIT recentRequested(folder); });
    m_recent->addWidget(row);
  }
}

}  // namespace likeness::ui

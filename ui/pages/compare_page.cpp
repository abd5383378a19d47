#include "ui/pages/compare_page.h"

#include <QAction>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QProgressBar>
#include <QScrollArea>
#include <QStackedWidget>
#include <QToolButton>
#include <algorithm>

#include "ui/dialogs/dialog_service.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/util/palette.h"
#include "ui/util/picture_file.h"
#include "ui/util/texts.h"
#include "ui/widgets/compare_view.h"
#include "ui/widgets/contact_sheet.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"

namespace likeness::ui {
namespace {

constexpr int kFieldsWidth = 304;

/// With a key that works where the pictures have the focus.
QAction* makeAction(
    QObject* parent, const char* name, const char* iconName, const QString& text, Qt::Key key) {
  auto* action = new QAction(icon(iconName), text, parent);
  action->setObjectName(QLatin1String(name));
  action->setShortcut(key);
  action->setShortcutContext(Qt::WidgetShortcut);
  action->setToolTip(
      ComparePage::tr("%1 (%2)").arg(text, QKeySequence(key).toString(QKeySequence::NativeText)));
  return action;
}

QToolButton* makeActionButton(QAction* action, bool words) {
  auto* button = new QToolButton;
  button->setDefaultAction(action);
  button->setObjectName(action->objectName());
  button->setAccessibleName(action->text());
  if (words) button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  button->setProperty("framed", words);
  QObject::connect(action, &QAction::visibleChanged, button, [action, button] {
    button->setVisible(action->isVisible());
  });
  return button;
}

}  // namespace

ComparePage::ComparePage(ProjectModel& project,
                         TrainingModel& training,
                         CompareModel& sheet,
                         DialogService& dialogs,
                         CompareControls::Common common,
                         QWidget* parent)
    : QWidget(parent),
      m_project(project),
      m_training(training),
      m_sheet(sheet),
      m_dialogs(dialogs),
      m_message(new MessageBar),
      m_controls(new CompareControls(project, training, std::move(common))),
      m_problem(new QLabel),
      m_size(makeHint()),
      m_status(makeHint()),
      m_empty(new ImageView),
      m_start(makePrimary("compareStart", tr("Compare"))),
      m_cancel(makeButton("compareCancel", tr("Cancel"))),
      m_train(makeButton("compareTrain", tr("Go to Train"))),
      m_stack(new QStackedWidget),
      m_view(new ContactSheet(sheet)),
      m_large(new CompareView),
      m_caption(new ElidedLabel),
      m_progress(new QProgressBar),
      m_back(makeAction(this, "compareBack", "compare", tr("Back to the sheet"), Qt::Key_Escape)),
      m_mark(makeAction(this, "compareMark", "mark", tr("Mark this cell"), Qt::Key_M)),
      m_flick(
          makeAction(this, "compareFlick", "flick", tr("Flick to the marked cell"), Qt::Key_Space)),
      m_divide(makeAction(this, "compareDivide", "divide", tr("Before and after"), Qt::Key_D)),
      m_best(makeAction(this, "compareBest", "star", tr("Use as best"), Qt::Key_B)),
      m_create(makeAction(this, "compareCreate", "create", tr("Go on in Create"), Qt::Key_C)),
      m_export(makeAction(this, "compareExport", "export", tr("Export…"), Qt::Key_E)),
      m_save(makeAction(this, "compareSave", "save", tr("Save picture…"), Qt::Key_S)),
      m_saveAll(makeAction(this, "compareSaveSheet", "save-sheet", tr("Save sheet…"), Qt::Key_P)) {
  setObjectName("page");
  auto* columns = new QHBoxLayout;
  columns->setSpacing(kMargin);
  columns->addWidget(makeSheetSide(), 1);
  columns->addWidget(makeControls());
  auto* page = new QVBoxLayout(this);
  page->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
  page->setSpacing(kMargin);
  page->addWidget(m_message);
  page->addLayout(columns, 1);
  connectModels();
  showProject();
}

// ---- what it is put together from

QWidget* ComparePage::makeControls() {
  auto* scroll = new QScrollArea;
  scroll->setObjectName("compareScroll");
  scroll->setWidget(m_controls);
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  m_problem->setObjectName("compareProblem");
  m_problem->setWordWrap(true);
  m_problem->setTextFormat(Qt::PlainText);
  setTone(m_problem, "warning");
  m_size->setObjectName("compareSize");
  m_start->setToolTip(tr("Ctrl+Return"));
  m_cancel->setIcon(icon("stop"));
  auto* buttons = new QVBoxLayout;
  buttons->setContentsMargins(12, 0, 12, 12);
  for (QWidget* widget : {static_cast<QWidget*>(m_problem),
                          static_cast<QWidget*>(m_size),
                          static_cast<QWidget*>(m_start),
                          static_cast<QWidget*>(m_cancel)})
    buttons->addWidget(widget);
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  card->setFixedWidth(kFieldsWidth);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(scroll, 1);
  layout->addLayout(buttons);
  return card;
}

QWidget* ComparePage::makeSheetSide() {
  QVBoxLayout* layout = nullptr;
  auto* card = makeCard(&layout);
  m_view->setObjectName("compareSheet");
  m_view->setAccessibleName(tr("Contact sheet"));
  m_large->setObjectName("compareLarge");
  m_large->setAccessibleName(tr("Cell"));
  for (QWidget* widget :
       {makeEmpty(), static_cast<QWidget*>(m_view), static_cast<QWidget*>(m_large)})
    m_stack->addWidget(widget);
  m_progress->setAccessibleName(tr("Progress"));
  m_status->setObjectName("compareStatus");
  layout->addWidget(makeTools());
  layout->addWidget(m_stack, 1);
  layout->addWidget(m_progress);
  layout->addWidget(m_status);
  layout->addWidget(makeActions());
  m_divide->setCheckable(true);
  for (QWidget* widget : {static_cast<QWidget*>(m_view), static_cast<QWidget*>(m_large)}) {
    widget->addActions(
        {m_best, m_create, m_export, m_mark, m_flick, m_divide, m_save, m_saveAll, m_back});
    widget->setContextMenuPolicy(Qt::ActionsContextMenu);
  }
  return card;
}

QWidget* ComparePage::makeEmpty() {
  m_empty->setObjectName("compareEmpty");
  m_empty->setAccessibleName(tr("Contact sheet"));
  auto* empty = new QWidget;
  auto* column = new QVBoxLayout(empty);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(kGrid);
  column->addWidget(m_empty, 1);
  column->addWidget(m_train, 0, Qt::AlignHCenter);
  return empty;
}

QWidget* ComparePage::makeTools() {
  m_caption->setObjectName("compareCaption");
  setTextRole(m_caption, TextRole::Section);
  m_tools = new QWidget;
  auto* row = new QHBoxLayout(m_tools);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(kGrid);
  row->addWidget(makeActionButton(m_back, false));
  row->addWidget(m_caption, 1);
  for (QAction* action : {m_mark, m_flick, m_divide})
    row->addWidget(makeActionButton(action, false));
  row->addSpacing(kGrid);
  for (QAction* action : {m_save, m_saveAll}) row->addWidget(makeActionButton(action, false));
  return m_tools;
}

QWidget* ComparePage::makeActions() {
  m_buttons = new QWidget;
  auto* row = new QHBoxLayout(m_buttons);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(kGrid);
  for (QAction* action : {m_best, m_create, m_export})
    row->addWidget(makeActionButton(action, true));
  row->addStretch();
  return m_buttons;
}

void ComparePage::connectModels() {
  connect(m_start, &QPushButton::clicked, this, &ComparePage::start);
  connect(m_cancel, &QPushButton::clicked, &m_sheet, &CompareModel::cancel);
  connect(m_train, &QPushButton::clicked, this, &ComparePage::trainRequested);
  connect(m_view, &ContactSheet::opened, this, [this] { setLarge(true); });
  connect(m_large, &CompareView::moved, this, &ComparePage::goBy);
  connect(m_view->selectionModel(), &QItemSelectionModel::currentChanged, this, [this] {
    m_flicked = false;
    showCell();
  });
  connect(&m_sheet, &QAbstractItemModel::dataChanged, this, &ComparePage::showCell);
  connect(&m_sheet, &CompareModel::changed, this, &ComparePage::showJob);
  connect(&m_sheet, &CompareModel::stopped, this, [this](const api::Error& error) {
    m_message->showError(error);
  });
  connect(&m_sheet, &CompareModel::ended, this, [this] {
    const int failed = m_sheet.count(CellState::Failed);
    if (failed > 0 && m_message->sentence().isEmpty())
      m_message->showNote(tr("%n cell(s) could not be made.", nullptr, failed),
                          tr("Each of them says why; the others are there."));
  });
  connect(&m_sheet.job(), &Job::warning, this, [this](const api::Error& error) {
    m_message->showWarning(error);
  });
  connect(&m_training.job(), &Job::changed, this, &ComparePage::showJob);
  connect(&m_project, &ProjectModel::opened, this, &ComparePage::showProject);
  connect(m_controls, &CompareControls::changed, this, &ComparePage::showPlan);
  connect(m_controls, &CompareControls::createRequested, this, &ComparePage::createRequested);
  const std::pair<QAction*, void (ComparePage::*)()> actions[] = {
      {m_mark, &ComparePage::mark},
      {m_flick, &ComparePage::flick},
      {m_divide, &ComparePage::showCell},
      {m_best, &ComparePage::useAsBest},
      {m_save, &ComparePage::saveCell},
      {m_saveAll, &ComparePage::saveSheet}};
  for (const auto& [action, act] : actions) connect(action, &QAction::triggered, this, act);
  connect(m_back, &QAction::triggered, this, [this] { setLarge(false); });
  connect(m_create, &QAction::triggered, this, [this] {
    if (const api::GenerateRequest* request = m_sheet.request(current()))
      Q_EMIT createFrom(*request);
  });
  connect(m_export, &QAction::triggered, this, [this] {
    if (const CompareWeights* weights = currentWeights())
      Q_EMIT exportRequested(fromPath(weights->run), weights->step);
  });
}

void ComparePage::showProject() {
  m_message->dismiss();
  m_sheet.clear();
  m_marked = QModelIndex();
  m_flicked = false;
  m_controls->reset();
  setLarge(false);
  showJob();
}

void ComparePage::showEvent(QShowEvent* event) {
  QWidget::showEvent(event);
  showPlan();
}

void ComparePage::focusStart() {
  if (m_sheet.total() > 0)
    m_stack->currentWidget()->setFocus();
  else
    m_start->setFocus();
}

void ComparePage::showPlan() {
  if (!m_project.isOpen() || !isVisible()) return;
  const CompareControls::Plan plan = m_controls->plan();
  m_problem->setText(breakable(plan.problem));
  m_problem->setVisible(!plan.problem.isEmpty());
  const int rows = static_cast<int>(plan.sheet.rows.size()),
            columns = static_cast<int>(plan.sheet.columns.size());
  m_size->setText(tr("%1 × %2 = %n cell(s)", nullptr, rows * columns).arg(rows).arg(columns));
  m_size->setVisible(plan.problem.isEmpty());
  m_start->setEnabled(plan.problem.isEmpty());
  m_controls->showRest();
  showJob();
}

void ComparePage::start() {
  if (m_sheet.running()) return;
  CompareControls::Plan plan = m_controls->plan();
  if (!plan.problem.isEmpty()) return;
  m_message->dismiss();
  m_marked = QModelIndex();
  m_view->setMarked(QModelIndex());
  setLarge(false);
  m_sheet.start(std::move(plan.sheet), m_controls->roughFirst());
  m_view->setCurrentIndex(m_sheet.index(0, 0));
  m_view->setFocus();
  showJob();
}

// ---- what is shown

void ComparePage::showJob() {
  const bool running = m_sheet.running(), any = m_sheet.total() > 0;
  const bool trained = std::ranges::any_of(
      m_training.runs(), [](const api::RunSummary& run) { return !run.checkpoints.empty(); });
  showInstead(running ? m_cancel : m_start, running ? m_start : m_cancel);
  m_cancel->setEnabled(m_sheet.job().state() != JobState::Stopping);
  m_progress->setVisible(running);
  m_progress->setRange(0, static_cast<int>(m_sheet.steps()));
  m_progress->setValue(static_cast<int>(m_sheet.stepsDone()));
  for (QWidget* widget : {m_tools, m_buttons}) widget->setVisible(any);
  m_status->setVisible(any);
  if (!any) m_stack->setCurrentIndex(0);
  if (any && m_stack->currentIndex() == 0) m_stack->setCurrentWidget(m_view);
  m_train->setVisible(!trained);
  m_empty->setPlaceholder(
      trained
          ? tr("Pictures appear here side by side, with the same seed in every cell.\nChoose what "
               "the rows and the columns stand for and press Compare.")
          : tr("Here the checkpoints of a training stand side by side, under several guidances, "
               "prompts or strengths,\nand you choose the best. Nothing is trained yet; the base "
               "model can be compared already."),
      "compare");
  const JobState state = m_sheet.job().state();
  const bool behindTraining = running && state != JobState::Running && m_training.job().active();
  QStringList parts{tr("%1 of %2").arg(m_sheet.count(CellState::Made)).arg(m_sheet.total())};
  if (const QString left = Texts::duration(m_sheet.secondsLeft()); !left.isEmpty())
    parts << tr("%1 left").arg(left);
  if (state == JobState::Stopping) parts << tr("stopping");
  m_status->setText(behindTraining ? tr("Begins when the training has ended")
                                   : parts.join(QStringLiteral(" · ")));
}

QModelIndex ComparePage::current() const { return m_view->currentIndex(); }
bool ComparePage::isLarge() const { return m_stack->currentWidget() == m_large; }

const CompareWeights* ComparePage::currentWeights() const {
  const api::GenerateRequest* request = m_sheet.request(current());
  return request ? m_controls->madeWith(*request) : nullptr;
}

void ComparePage::setLarge(bool large) {
  const bool focus = m_view->hasFocus() || m_large->hasFocus();
  if (m_sheet.total() > 0)
    m_stack->setCurrentWidget(large ? static_cast<QWidget*>(m_large) : m_view);
  if (focus) m_stack->currentWidget()->setFocus();
  showCell();
}

void ComparePage::showCell() {
  const QModelIndex cell = current();
  const bool marked = m_marked.isValid() && m_marked != cell;
  const bool flicked = m_flicked && marked;
  const QModelIndex shown = flicked ? QModelIndex(m_marked) : cell;
  const auto image = [](const QModelIndex& index) {
    return index.data(CompareModel::ImageRole).value<QImage>();
  };
  const auto state = static_cast<CellState>(cell.data(CompareModel::StateRole).toInt());
  const bool divided = marked && !flicked && m_divide->isChecked();
  m_view->setFlicked(flicked);
  m_large->setPicture(image(shown),
                      flicked                       ? tr("marked one")
                      : state == CellState::Rough   ? tr("rough look")
                      : state == CellState::Forming ? tr("forming")
                                                    : QString(),
                      shown.data(Qt::ToolTipRole).toString());
  m_large->setBefore(divided ? image(m_marked) : QImage());
  m_caption->setFullText(divided
                             ? tr("%1 | %2").arg(m_sheet.caption(m_marked), m_sheet.caption(cell))
                             : m_sheet.caption(shown));
  const bool there = !image(cell).isNull() && state != CellState::Failed;
  m_back->setVisible(isLarge());
  m_mark->setEnabled(cell.isValid());
  m_flick->setEnabled(cell.isValid());
  m_divide->setEnabled(marked);
  for (QAction* action : {m_best, m_export}) action->setEnabled(currentWeights() != nullptr);
  m_create->setEnabled(m_sheet.request(cell) != nullptr);
  m_save->setEnabled(there);
  m_saveAll->setEnabled(m_sheet.count(CellState::Made) + m_sheet.count(CellState::Rough) > 0);
}

void ComparePage::goBy(int rows, int columns) {
  const QModelIndex next = current().siblingAtRow(current().row() + rows);
  const QModelIndex cell = next.siblingAtColumn(next.column() + columns);
  if (cell.isValid()) m_view->setCurrentIndex(cell);
}

void ComparePage::mark() {
  m_marked = current();
  m_view->setMarked(current());
  m_flicked = false;
  showCell();
}

void ComparePage::flick() {
  // Without a mark the first press sets it.
  if (!m_marked.isValid()) return mark();
  m_flicked = !m_flicked;
  showCell();
}

// ---- what a cell is good for

void ComparePage::useAsBest() {
  const CompareWeights* weights = currentWeights();
  if (!weights) return;
  const QString run = fromPath(weights->run.filename());
  const std::int64_t step = weights->step;  // the choices are made anew by what follows
  m_training.setBest(std::filesystem::path(weights->run), step);
  m_message->showNote(tr("Step %1 is the best of run %2 now.").arg(step).arg(run),
                      tr("Create and Export offer it as the best one."));
}

void ComparePage::saveCell() {
  const QModelIndex cell = current();
  const QString file = cell.data(CompareModel::FileRole).toString();
  const QString target = m_dialogs.savePicture(
      this, file.isEmpty() ? QStringLiteral("compare.png") : QFileInfo(file).fileName());
  if (target.isEmpty()) return;
  inBackground(
      this,
      [target, image = cell.data(CompareModel::ImageRole).value<QImage>(), file] {
        return writePicture(target, image, file);
      },
      [this, target](const api::Result<void>& saved) { tellSaved(target, saved); });
}

void ComparePage::saveSheet() {
  const QString target = m_dialogs.savePicture(this, QStringLiteral("compare.png"));
  if (target.isEmpty()) return;
  QStringList rows, columns;
  std::vector<QImage> images;
  for (int column = 0; column < m_sheet.columnCount(); ++column)
    columns << m_sheet.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString();
  for (int row = 0; row < m_sheet.rowCount(); ++row) {
    rows << m_sheet.headerData(row, Qt::Vertical, Qt::DisplayRole).toString();
    for (int column = 0; column < m_sheet.columnCount(); ++column)
      images.push_back(m_sheet.index(row, column).data(CompareModel::ImageRole).value<QImage>());
  }
  inBackground(
      this,
      [target, rows, columns, images] {
        return writePicture(target, drawSheet(rows, columns, images));
      },
      [this, target](const api::Result<void>& saved) { tellSaved(target, saved); });
}

void ComparePage::tellSaved(const QString& target, const api::Result<void>& saved) {
  if (saved)
    m_message->showNote(tr("Saved as %1.").arg(QFileInfo(target).fileName()));
  else
    m_message->showError(saved.error());
}

}  // namespace likeness::ui

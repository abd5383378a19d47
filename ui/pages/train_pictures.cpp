#include "ui/pages/train_pictures.h"

#include <QAction>
#include <QVBoxLayout>

#include "ui/util/convert.h"
#include "ui/util/icons.h"
#include "ui/widgets/lightbox.h"
#include "ui/widgets/message_bar.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/picture_strip.h"
#include "ui/widgets/sample_matrix.h"

namespace likeness::ui {
namespace {
constexpr int kClassSide = 72, kSampleSide = 84;  // pixels
}

TrainPictures::TrainPictures(ProjectModel& project,
                             TrainingModel& training,
                             MessageBar& message,
                             QWidget* page)
    : QObject(page),
      m_project(project),
      m_training(training),
      m_message(message),
      m_page(page),
      m_matrix(training.samples()),
      m_classTitle(makeSection({})),
      m_sampleTitle(makeSection(tr("Samples during training"))),
      m_strip(new PictureStrip(kClassSide)),
      m_samples(new SampleMatrix(kSampleSide)),
      m_delete(new QAction(icon("remove"), tr("Delete, to be made again"), m_strip)),
      m_classCard(makeCard(m_classTitle, m_strip)),
      m_sampleCard(makeCard(m_sampleTitle, m_samples)) {
  m_strip->setObjectName("classStrip");
  m_strip->setAccessibleName(tr("Class pictures"));
  m_strip->setPlaceholder(tr(
      "Before the first training the base model makes these pictures; later runs use them again."));
  m_strip->setModel(&m_training.classImages());
  m_classCard->setMaximumHeight(m_classCard->sizeHint().height());  // one row has nothing to gain
  addDelete();
  m_samples->setObjectName("sampleMatrix");
  m_samples->setAccessibleName(tr("Samples during training"));
  m_samples->setPlaceholder(
      tr("While it trains, the same few prompts are drawn again and again: you see it learn."));
  m_samples->setModel(&m_matrix);
  connect(m_strip, &PictureStrip::opened, this, [this](const QModelIndex& index) {
    Lightbox::open(m_page, m_strip, index);
  });
  connect(m_samples, &SampleMatrix::opened, this, [this](const QModelIndex& index) {
    Lightbox::open(m_page, m_samples, index);
  });
  PictureListModel& pictures = m_training.classImages();
  for (auto change : {&QAbstractItemModel::rowsInserted, &QAbstractItemModel::rowsRemoved})
    connect(&pictures, change, this, &TrainPictures::showClassTitle);
  connect(&pictures, &QAbstractItemModel::modelReset, this, &TrainPictures::showClassTitle);
}

QWidget* TrainPictures::makeCard(QLabel* title, QAbstractItemView* view) {
  QVBoxLayout* layout = nullptr;
  auto* card = ui::makeCard(&layout);
  layout->setContentsMargins(12, 8, 12, 4);
  layout->setSpacing(2);
  layout->addWidget(title);
  layout->addWidget(view, 1);
  auto* begin = new QAction(icon("create"), tr("Begin a picture from it"), view);
  begin->setObjectName("beginFrom");
  view->addAction(begin);
  view->setContextMenuPolicy(Qt::ActionsContextMenu);
  connect(begin, &QAction::triggered, this, [this, view] {
    const QString file = view->currentIndex().data(PictureListModel::FileRole).toString();
    if (!file.isEmpty()) Q_EMIT pictureChosen(file);
  });
  return card;
}

// ---- class pictures

void TrainPictures::addDelete() {
  m_delete->setObjectName("deleteClassPicture");
  m_delete->setShortcut(QKeySequence::Delete);
  m_delete->setShortcutContext(Qt::WidgetShortcut);
  m_strip->addAction(m_delete);
  connect(m_delete, &QAction::triggered, this, [this] {
    m_training.deleteClassPicture(m_strip->currentIndex().row());
  });
  connect(&m_training, &TrainingModel::classPictureDeleted, this, &TrainPictures::offerUndo);
  connect(&m_training.job(), &Job::changed, this, &TrainPictures::showDelete);
  connect(m_strip->selectionModel(),
          &QItemSelectionModel::currentChanged,
          this,
          &TrainPictures::showDelete);
  showDelete();
}

void TrainPictures::showDelete() {
  m_delete->setEnabled(m_training.canDelete(m_strip->currentIndex().row()));
  m_delete->setToolTip(m_training.job().active()
                           ? tr("Not while a training uses it")
                           : tr("The next training makes it again, from the same seed"));
}

void TrainPictures::offerUndo(const DeletedPicture& deleted) {
  const api::RunSummary* unfinished = m_training.unfinished();
  const QString hint =
      unfinished ? tr("The next training makes it again from the same seed. Run %1, if it is "
                      "continued, may then differ in the last digits.")
                       .arg(fromStd(unfinished->name))
                 : tr("The next training makes it again from the same seed.");
  const QString sentence = tr("Class picture %1 is deleted.").arg(deleted.item.index + 1);
  if (deleted.bytes.isEmpty()) return m_message.showNote(sentence, hint);  // it was gone before
  m_message.showOffer(
      sentence, hint, tr("Undo"), [this, deleted] { m_training.restore(deleted); }, tr("Close"));
}

void TrainPictures::showClassTitle() {
  const int made = m_training.classImages().rowCount();
  const qint64 total = m_training.classImagesTotal();
  const QString prompt = m_project.isOpen()
                             ? fromStd(api::renderPrompt(m_project.recipe().subject.classPrompt,
                                                         m_project.recipe().subject))
                             : QString();
  const bool known = m_project.isOpen() && !m_project.recipe().subject.classWord.empty();
  m_classTitle->setText(
      !known      ? tr("Class pictures")
      : made == 0 ? tr("Class pictures: “%1”").arg(prompt)
                  : tr("Class pictures: “%1”, %2 of %3").arg(prompt).arg(made).arg(total));
}

// ---- samples

void TrainPictures::openSamples(qint64 step) {
  const QModelIndex index = m_matrix.indexOf(step);
  if (index.isValid()) Lightbox::open(m_page, m_samples, index);
}

}  // namespace likeness::ui

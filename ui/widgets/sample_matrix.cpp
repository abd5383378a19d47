#include "ui/widgets/sample_matrix.h"

#include <QAbstractButton>
#include <QHeaderView>
#include <QKeyEvent>
#include <QScrollBar>

#include "ui/util/palette.h"
#include "ui/widgets/picture_delegate.h"

namespace likeness::ui {
namespace {
constexpr int kAround = 8;        // pixels of a cell around its picture
constexpr int kPromptWidth = 36;  // more than the picture, for a few words of the prompt
}  // namespace

SampleMatrix::SampleMatrix(int side, QWidget* parent) : QTableView(parent) {
  setItemDelegate(new PictureDelegate(side, this));
  setShowGrid(false);
  setSelectionMode(QAbstractItemView::SingleSelection);
  setEditTriggers(QAbstractItemView::NoEditTriggers);
  setTabKeyNavigation(false);
  setCornerButtonEnabled(false);
  if (auto* corner = findChild<QAbstractButton*>(QString(), Qt::FindDirectChildrenOnly)) {
    corner->setObjectName("sampleMatrixCorner");
    corner->setAccessibleName(tr("Steps down, prompts across"));
  }
  setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
  setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  setTextRole(this, TextRole::Hint);
  for (QHeaderView* header : {horizontalHeader(), verticalHeader()}) {
    header->setSectionResizeMode(QHeaderView::Fixed);
    header->setSectionsClickable(false);
    header->setHighlightSections(false);
    header->setTextElideMode(Qt::ElideRight);
    setTextRole(header, TextRole::Hint);
  }
  horizontalHeader()->setDefaultSectionSize(side + kAround + kPromptWidth);
  verticalHeader()->setDefaultSectionSize(side + kAround);
  verticalHeader()->setFixedWidth(fontMetrics().horizontalAdvance(QStringLiteral("000000")) + 12);
  connect(this, &QAbstractItemView::clicked, this, &SampleMatrix::open);
  connect(&Palette::instance(), &Palette::changed, viewport(), qOverload<>(&QWidget::update));
}

void SampleMatrix::open(const QModelIndex& index) {
  if (index.flags() & Qt::ItemIsEnabled) Q_EMIT opened(index);
}

void SampleMatrix::setPlaceholder(const QString& text) {
  m_placeholder = text;
  setAccessibleDescription(text);
  viewport()->update();
}

void SampleMatrix::setModel(QAbstractItemModel* model) {
  QTableView::setModel(model);
  // Looked at before the row is there: afterwards the old end is no longer the end.
  connect(model, &QAbstractItemModel::rowsAboutToBeInserted, this, [this] {
    const bool atEnd = verticalScrollBar()->value() >= verticalScrollBar()->maximum();
    if (atEnd) QMetaObject::invokeMethod(this, &QTableView::scrollToBottom, Qt::QueuedConnection);
  });
}

void SampleMatrix::paintEvent(QPaintEvent* event) {
  QTableView::paintEvent(event);
  paintPlaceholder(*this, m_placeholder);
}

void SampleMatrix::keyPressEvent(QKeyEvent* event) {
  const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
  if (enter && event->modifiers() == Qt::NoModifier && currentIndex().isValid())
    return open(currentIndex());
  QTableView::keyPressEvent(event);
}

}  // namespace likeness::ui

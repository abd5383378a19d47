#include "ui/main_window/rail.h"

#include <QButtonGroup>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/util/icons.h"
#include "ui/util/palette.h"

namespace likeness::ui {
namespace {
constexpr int kRailWidth = 104;
}

Rail::Rail(QWidget* parent) : QFrame(parent), m_group(new QButtonGroup(this)) {
  setObjectName("rail");
  setFixedWidth(kRailWidth);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 8, 0, 8);
  column->setSpacing(4);
  struct Entry {
    const char* name;
    const char* icon;
    QString text;
  };
  const Entry entries[] = {{"railPhotos", "photos", tr("Photos")},
                           {"railTrain", "train", tr("Train")},
                           {"railCompare", "compare", tr("Compare")},
                           {"railCreate", "create", tr("Create")},
                           {"railLibrary", "library", tr("Library")}};
  int id = 0;
  for (const Entry& entry : entries) {
    auto* button = new QToolButton;
    button->setObjectName(QLatin1String(entry.name));
    button->setProperty("rail", true);
    button->setProperty("title", entry.text);
    button->setCheckable(true);
    button->setIcon(icon(entry.icon));
    button->setIconSize({22, 22});
    button->setToolButtonStyle(Qt::ToolButtonTextUnderIcon);
    button->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    button->setToolTip(tr("%1 (Ctrl+%2)").arg(entry.text).arg(id + 1));
    m_group->addButton(button, id++);
    column->addWidget(button);
    setNote(static_cast<Page>(id - 1), {});
  }
  column->addStretch();
  connect(m_group, &QButtonGroup::idClicked, this, [this](int clicked) {
    Q_EMIT chosen(static_cast<Page>(clicked));
  });
}

void Rail::addFoot(QWidget* widget) { layout()->addWidget(widget); }

void Rail::setCurrent(Page page) { m_group->button(static_cast<int>(page))->setChecked(true); }

void Rail::setNote(Page page, const QString& note) {
  QAbstractButton* button = m_group->button(static_cast<int>(page));
  const QString title = button->property("title").toString();
  const QString shown = button->fontMetrics().elidedText(note, Qt::ElideRight, kRailWidth - 12);
  button->setText(title + QLatin1Char('\n') + shown);
  button->setAccessibleName(note.isEmpty() ? title : tr("%1: %2").arg(title, note));
}

}  // namespace likeness::ui

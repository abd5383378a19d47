// The Library page: four shelves with their empty states, what can be done with their things, many
// pictures, and the room on the disk.
#include <QAbstractButton>
#include <QAbstractItemModelTester>
#include <QAction>
#include <QDir>
#include <QFile>
#include <QLineEdit>
#include <QMimeData>
#include <QScrollBar>
#include <QTabBar>

#include "tests/ui/fixture.h"
#include "ui/models/library.h"
#include "ui/util/convert.h"
#include "ui/widgets/library_grid.h"

using namespace likeness;
using namespace likeness::support;
using ui::LibraryItem;
using ui::Page;
using ui::Shelf;

class TestLibrary : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;

  QString project() const { return f->path("bo.likeness"); }
  ui::LibraryGrid* grid() const { return f->find<ui::LibraryGrid>("libraryGrid"); }
  /// Shows a shelf by its tab, when it was looked at.
  void show(Shelf shelf) const {
    f->window->showPage(Page::Library);
    auto* tabs = f->find<QTabBar>("libraryTabs");
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(static_cast<int>(shelf)).center());
    if (!f->waitFor([&] { return !f->window->library().looking(shelf); }))
      qFatal("nothing was found");
    f->settle();
  }
  int count() const { return grid()->model()->rowCount(); }
  QString title(int row) const { return grid()->model()->index(row, 0).data().toString(); }
  QString detail(int row) const {
    return grid()->model()->index(row, 0).data(ui::LibraryModel::DetailRole).toString();
  }
  bool missing(int row) const {
    return grid()->model()->index(row, 0).data(ui::LibraryModel::MissingRole).toBool();
  }
  void choose(int row) const { grid()->setCurrentIndex(grid()->model()->index(row, 0)); }
  /// A picture in the project's outputs, made `age` seconds ago.
  QString makeOutput(const QString& name, int age) const {
    QDir().mkpath(project() + "/outputs");
    f->makePhoto("bo.likeness/outputs/" + name, age, {96, 64});
    QFile file(project() + "/outputs/" + name);
    if (!file.open(QIODevice::ReadWrite)) qFatal("no output");
    file.setFileTime(QDateTime::currentDateTime().addSecs(-age), QFileDevice::FileModificationTime);
    return file.fileName();
  }
  static void write(const QString& path, int bytes) {
    QDir().mkpath(QFileInfo(path).path());
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly)) qFatal("cannot write");
    file.write(QByteArray(bytes, 'x'));
  }

 private Q_SLOTS:
  void init() {
    f = std::make_unique<WindowFixture>();
    f->makeProject(2);
  }
  void cleanup() { f.reset(); }

  void emptyShelvesSayWhatWillBeThere() {
    f->click("railLibrary");
    QCOMPARE(f->window->currentPage(), Page::Library);
    for (const auto& [shelf, words] : {std::pair(Shelf::Runs, "Train page"),
                                       std::pair(Shelf::Adapters, "export"),
                                       std::pair(Shelf::Outputs, "Create page")}) {
      show(shelf);
      QCOMPARE(count(), 0);
      QVERIFY2(grid()->accessibleDescription().contains(words),
               qPrintable(grid()->accessibleDescription()));
    }
    f->shot("library-empty");
    QVERIFY(!f->find("libraryOpen")->isVisible());
    QVERIFY(!f->find("libraryTrash")->isVisible());
  }

  void modelsTellWhatTheyAre() {
    f->window->project().rememberBase(f->makeLora("strange.safetensors"));
    f->window->project().rememberBase(f->path("gone.safetensors"));
    show(Shelf::Models);
    QCOMPARE(count(), 3);
    QCOMPARE(title(0), QString("Starter model"));
    QVERIFY2(detail(0).contains("MiB") && detail(0).contains("F16"), qPrintable(detail(0)));
    QCOMPARE(title(1), QString("gone.safetensors"));
    QVERIFY(missing(1));
    QVERIFY(!missing(2));
    f->shot("library-models");
    choose(0);
    QVERIFY(!f->find("libraryShow")->isVisible());
    QVERIFY(!f->find("libraryForget")->isVisible());
    QVERIFY(!f->find("libraryTrash")->isVisible());
    f->click("libraryOpen");
    QTRY_VERIFY(f->window->findChild<QWidget*>("inspectDialog"));
  }

  void modelsThatAreMissingAreFoundAgainOrForgotten() {
    const QString gone = f->path("gone.safetensors"), lost = f->path("lost.safetensors");
    f->window->project().rememberBase(lost);
    f->window->project().rememberBase(gone);
    f->window->project().edit(
        [&](api::TrainRequest& recipe) { recipe.base.path = ui::toStd(gone); });
    show(Shelf::Models);
    choose(1);
    QCOMPARE(title(1), QString("gone.safetensors"));
    QVERIFY(!f->find("libraryOpen")->isVisible());
    f->dialogs.nextModels = {};
    f->click("libraryFind");  // thought better of it
    QCOMPARE(f->window->project().knownBases().first(), gone);
    const QString found = f->makeLora("found.safetensors");
    f->dialogs.nextModels = {found};
    f->click("libraryFind");
    QTRY_VERIFY(title(1) == "found.safetensors" && !missing(1));
    QCOMPARE(f->window->project().recipe().base.path, ui::toStd(found));
    QVERIFY(!f->window->project().knownBases().contains(gone));
    choose(2);
    QVERIFY(missing(2));
    f->click("libraryForget");
    QTRY_COMPARE(count(), 2);
    QCOMPARE(f->window->project().knownBases(), QStringList{found});
  }

  void runsShowWhatTheyHaveLearned() {
    f->makeRun("0001", 12, 40);
    f->makeRun("0002", 40, 40, true);
    QDir().mkpath(project() + "/runs/0002/samples");
    f->makePhoto("bo.likeness/runs/0002/samples/000020-00.png", 3, {64, 64});
    f->makePhoto("bo.likeness/runs/0002/samples/000040-00.png", 4, {64, 64});
    f->makePhoto("bo.likeness/runs/0002/samples/000040-01.png", 5, {64, 64});
    show(Shelf::Runs);
    QCOMPARE(count(), 2);
    QVERIFY(title(0).contains("0002"));  // the latest first
    QVERIFY2(detail(0).contains("40 step") && detail(0).contains("adapter"), qPrintable(detail(0)));
    QVERIFY2(detail(1).contains("12 of 40"), qPrintable(detail(1)));
    QVERIFY(f->window->library().shelf(Shelf::Runs).at(0).thumbnail.endsWith("000040-00.png"));
    QTRY_VERIFY(!grid()->model()->index(0, 0).data(Qt::DecorationRole).value<QPixmap>().isNull());
    choose(0);
    f->shot("library-runs");
    f->click("libraryShow");
    QCOMPARE(f->dialogs.shown, project() + "/runs/0002");
    f->dialogs.nextAnswer = 1;  // keep
    f->click("libraryTrash");
    QVERIFY(QFileInfo::exists(project() + "/runs/0002"));
    f->dialogs.nextAnswer = 0;
    f->click("libraryTrash");
    QTRY_COMPARE(count(), 1);
    QVERIFY(!QFileInfo::exists(project() + "/runs/0002"));
    QVERIFY(QFileInfo::exists(f->path("trash/0002/run.yaml")));
    QVERIFY(f->told("moved to the trash"));
    QTRY_COMPARE(f->window->training().runs().size(), std::size_t{1});
  }

  void runsOfOtherProjectsLeadThere() {
    f->makeRun("0001", 40, 40);
    f->dialogs.nextProject = f->path("other");
    f->trigger("actionNew");
    show(Shelf::Runs);
    QCOMPARE(count(), 1);
    QVERIFY(title(0).startsWith("bo"));
    choose(0);
    QVERIFY(!f->find("libraryTrash")->isVisible());
    f->click("libraryOpen");
    QCOMPARE(f->window->project().name(), QString("bo"));
  }

  void aRunWhoseBaseIsMissingSaysSo() {
    f->window->project().edit(
        [&](api::TrainRequest& recipe) { recipe.base.path = ui::toStd(f->path("gone.ckpt")); });
    f->makeRun("0001", 40, 40);
    show(Shelf::Runs);
    QVERIFY2(detail(0).contains("gone.ckpt"), qPrintable(detail(0)));
  }

  void adaptersAreExportsAndThoseThatWereAdded() {
    QDir().mkpath(project() + "/exports");
    f->makeLora("bo.likeness/exports/bo-0001-40.safetensors");
    f->dialogs.nextModels = {f->makeLora("other.safetensors")};
    show(Shelf::Adapters);
    QCOMPARE(count(), 1);
    f->click("libraryAdd");
    QTRY_COMPARE(count(), 2);
    QVERIFY2(detail(0).contains("LoRA"), qPrintable(detail(0)));
    QFile::rename(f->path("other.safetensors"), f->path("moved.safetensors"));
    show(Shelf::Models);
    f->window->library().refresh();
    show(Shelf::Adapters);
    QTRY_VERIFY(missing(0));
    f->shot("library-adapters");
    choose(0);
    f->dialogs.nextModels = {f->path("moved.safetensors")};
    f->click("libraryFind");
    QTRY_VERIFY(!missing(0));
    QCOMPARE(title(0), QString("moved.safetensors"));
  }

  void anExportIsRemembered() {
    f->makeRun("0001", 40, 40, true);
    f->window->training().refresh();
    QTRY_COMPARE(f->window->training().runs().size(), std::size_t{1});
    f->trigger("actionExport");
    f->dialogs.nextFile = f->path("mine.safetensors");
    f->click("exportChoose");
    f->click("exportStart");
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    f->makeLora("mine.safetensors");
    f->engine->emit(1, api::JobFinished{api::Completed{}});
    f->settle();
    f->click("exportClose");
    show(Shelf::Adapters);
    QCOMPARE(count(), 1);
    QCOMPARE(title(0), QString("mine.safetensors"));
  }

  void picturesAreShownUsedAndThrownAway() {
    for (int i = 0; i < 5; ++i) makeOutput(QStringLiteral("p%1.png").arg(i), 100 * (i + 1));
    write(project() + "/outputs/masks/m.png", 10);  // no picture of its own
    show(Shelf::Outputs);
    QCOMPARE(count(), 5);
    QCOMPARE(title(0), QString("p0.png"));  // the newest first
    QCOMPARE(title(4), QString("p4.png"));
    for (int row = 0; row < 5; ++row)
      QTRY_VERIFY(
          !grid()->model()->index(row, 0).data(Qt::DecorationRole).value<QPixmap>().isNull());
    choose(1);
    f->shot("library-pictures");
    f->type("librarySearch", "P3");
    QCOMPARE(count(), 1);
    QCOMPARE(f->textOf("libraryCount"), QString("1 of 5"));
    f->retype("librarySearch", "nothing");
    QVERIFY(grid()->accessibleDescription().contains("called"));
    f->retype("librarySearch", "");
    QCOMPARE(count(), 5);
    // Out to other programs.
    const std::unique_ptr<QMimeData> data(
        grid()->model()->mimeData({grid()->model()->index(2, 0)}));
    QCOMPARE(data->urls(), QList<QUrl>{QUrl::fromLocalFile(project() + "/outputs/p2.png")});
    // Large.
    choose(0);
    grid()->setFocus();
    QTest::keyClick(grid(), Qt::Key_Return);
    QTRY_VERIFY(f->window->findChild<QWidget*>("pictureDialog"));
    f->click("pictureClose");
    // Two at once.
    QTest::keyClick(grid(), Qt::Key_Right, Qt::ShiftModifier);
    QCOMPARE(grid()->selected().size(), 2);
    f->dialogs.nextAnswer = 0;
    QTest::keyClick(grid(), Qt::Key_Delete);
    QTRY_COMPARE(count(), 3);
    QCOMPARE(title(0), QString("p2.png"));
    QVERIFY(QFileInfo::exists(f->path("trash/p0.png")));
    choose(0);
    f->click("libraryOpen");
    QCOMPARE(f->window->currentPage(), Page::Create);
  }

  void whatCannotBeMovedIsASentence() {
    const QString file = makeOutput("p.png", 10);
    show(Shelf::Outputs);
    choose(0);
    write(f->path("trash"), 1);  // a file where the trash should be
    f->click("libraryTrash");
    QTRY_VERIFY(f->told("p.png"));
    QVERIFY(QFileInfo::exists(file));
  }

  void damagedPicturesAreReadOnce() {
    write(project() + "/outputs/bad.png", 100);
    show(Shelf::Outputs);
    QCOMPARE(count(), 1);
    f->window->library().refresh();
    f->settle();
    grid()->viewport()->repaint();
    f->settle();
    QCOMPARE(f->window->library().thumbnails().reads(), 1);
    choose(0);
    grid()->setFocus();
    QTest::keyClick(grid(), Qt::Key_Return);
    QTRY_VERIFY(f->told("bad.png"));
  }

  void tenThousandPicturesTakeBoundedMemory() {
    const QString first = makeOutput("p00000.png", 10);
    QFile source(first);
    QVERIFY(source.open(QIODevice::ReadOnly));
    const QByteArray bytes = source.readAll();
    for (int i = 1; i < 10000; ++i) {
      QFile file(project() + QStringLiteral("/outputs/p%1.png").arg(i, 5, 10, QLatin1Char('0')));
      QVERIFY(file.open(QIODevice::WriteOnly));
      file.write(bytes);
    }
    show(Shelf::Outputs);
    QCOMPARE(count(), 10000);
    ui::Thumbnails& thumbnails = f->window->library().thumbnails();
    QScrollBar* bar = grid()->verticalScrollBar();
    for (int i = 0; i <= 50; ++i) {
      bar->setValue(bar->maximum() / 50 * i);
      grid()->viewport()->repaint();
    }
    bar->setValue(bar->maximum());
    f->settle();
    const QModelIndex last = grid()->model()->index(9999, 0);
    QVERIFY(grid()->viewport()->rect().intersects(grid()->visualRect(last)));
    QTRY_VERIFY(!last.data(Qt::DecorationRole).value<QPixmap>().isNull());
    QVERIFY(thumbnails.keptKiB() <= ui::Thumbnails::kBoundKiB);
    QVERIFY(thumbnails.reads() < 2500);  // only what was seen, and not all that flew by
  }

  void thumbnailsThatWereNotLookedAtForLongAreForgotten() {
    const QString file = f->makePhoto("large.png", 1, {256, 256});
    ui::Thumbnails thumbnails(*f->workspace);
    const int most = ui::Thumbnails::kBoundKiB / 257;  // of 256 x 256 pixels
    for (int i = 0; i <= most; ++i)
      QTRY_VERIFY(!thumbnails.get(file, i).isNull());  // another time is another picture
    QVERIFY(thumbnails.keptKiB() <= ui::Thumbnails::kBoundKiB);
    const int reads = thumbnails.reads();
    QVERIFY(!thumbnails.get(file, most).isNull());
    QCOMPARE(thumbnails.reads(), reads);
    QVERIFY(thumbnails.get(file, 0).isNull());
    QCOMPARE(thumbnails.reads(), reads + 1);
    f->settle();
  }

  void theDiskPanelOffersWhatCouldGo() {
    for (const int step : {10, 20, 40}) f->makeRun("0001", step, 40);
    write(project() + "/cache/latents.bin", 3000);
    write(project() + "/runs/0001/cache/latents.bin", 2000);
    show(Shelf::Models);
    QTRY_VERIFY(f->find("trashCaches")->isVisible());
    QVERIFY(f->textOf("diskTitle").contains("takes"));
    QVERIFY(f->textOf("diskLegend").contains("Photos"));
    QVERIFY(f->textOf("diskLegend").contains("Caches"));
    QVERIFY(f->find("trashCheckpoints")->isVisible());
    f->dialogs.nextAnswer = 1;
    f->click("trashCheckpoints");
    QVERIFY(f->dialogs.questions.back().text.contains("checkpoints"));
    QVERIFY(QFileInfo::exists(project() + "/runs/0001/checkpoints/000010"));
    f->dialogs.nextAnswer = 0;
    f->click("trashCheckpoints");
    QTRY_VERIFY(!f->find("trashCheckpoints")->isVisible());
    QCOMPARE(
        QDir(project() + "/runs/0001/checkpoints").entryList(QDir::Dirs | QDir::NoDotAndDotDot),
        QStringList{"000040"});
    QVERIFY(QFileInfo::exists(f->path("trash/000010")));
    f->click("trashCaches");
    QTRY_VERIFY(!QFileInfo::exists(project() + "/cache"));
  }

  void nothingGoesWhileItTrains() {
    f->makeRun("0001", 12, 40);
    write(project() + "/cache/latents.bin", 3000);
    f->window->training().start();
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    show(Shelf::Runs);
    QTRY_VERIFY(f->find("trashCaches")->isVisible());
    QVERIFY(!f->find("trashCaches")->isEnabled());
    choose(0);
    QVERIFY(!f->find("libraryTrash")->isVisible());
    f->engine->scriptTraining(1);
    f->engine->playToEnd(1);
    f->settle();
    QTRY_VERIFY(f->find("trashCaches")->isEnabled());
  }

  void theModelsAreSound() {
    makeOutput("p.png", 10);
    QAbstractItemModelTester tester(&f->window->library().shelf(Shelf::Outputs),
                                    QAbstractItemModelTester::FailureReportingMode::QtTest);
    show(Shelf::Outputs);
    QCOMPARE(count(), 1);
    f->window->library().refresh();
    f->settle();
  }

  void everyControlHasItsNames() {
    show(Shelf::Models);
    choose(0);
    int controls = 0;
    auto* page = f->find("libraryGrid")->parentWidget()->parentWidget();
    for (auto* button : page->findChildren<QAbstractButton*>()) {
      if (!button->isVisible() || qobject_cast<QLineEdit*>(button->parent()) ||
          qobject_cast<QTabBar*>(button->parent()))
        continue;
      ++controls;
      QVERIFY(!button->objectName().isEmpty());
      QVERIFY(!button->text().isEmpty() || !button->accessibleName().isEmpty());
    }
    QVERIFY(controls >= 2);
    for (const char* name : {"libraryGrid", "librarySearch", "libraryTabs"})
      QVERIFY(!f->find(name)->accessibleName().isEmpty());
    QTest::keyClick(f->window.get(), Qt::Key_1, Qt::ControlModifier);
    QTest::keySequence(f->window.get(), f->find<QAction>("actionLibrary")->shortcut());
    QCOMPARE(f->window->currentPage(), Page::Library);
    QVERIFY(grid()->hasFocus());
  }
};

LIKENESS_UI_TESTS(TestLibrary)
#include "test_library.moc"

// The window around the pages: projects, drops, closing while it trains, resuming, saving,
// shortcuts.
#include <QAbstractButton>
#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QDir>
#include <QDragEnterEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSpinBox>
#include <QToolButton>
#include <QWheelEvent>

#include "tests/ui/fixture.h"
#include "ui/models/photos_model.h"
#include "ui/util/convert.h"
#include "ui/widgets/photo_grid.h"

using namespace likeness;
using namespace likeness::support;
using ui::JobState;
using ui::Page;

class TestWindow : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;

  api::JobId startTraining() {
    f->window->showPage(Page::Train);
    f->click("trainStart");
    if (!f->waitFor([&] { return f->engine->lastJob() > 0; })) qFatal("no job was submitted");
    const api::JobId job = f->engine->lastJob();
    f->engine->scriptTraining(job);
    f->engine->advance(job, 20);
    f->settle();
    return job;
  }
  QPushButton* visibleButton(const char* name) const {
    for (auto* button : f->window->findChildren<QPushButton*>(name))
      if (button->isVisible()) return button;
    return nullptr;
  }

 private Q_SLOTS:
  void init() { f = std::make_unique<WindowFixture>(); }
  void cleanup() { f.reset(); }

  void dropTakesFilesAndFolders() {
    f->makeProject(0);
    QVERIFY(QDir().mkpath(f->path("album")));
    f->makePhoto("album/a.png", 20);
    f->makePhoto("album/b.jpg", 21);
    QVERIFY(f->drop({f->makePhoto("single.png", 22), f->path("album")}));
    QTRY_COMPARE(f->window->photos().rowCount(), 3);
    for (const api::Photo& photo : f->window->project().recipe().photos)
      QVERIFY(photo.file.string().find("bo.likeness") !=
              std::string::npos);  // copies inside the project
    QVERIFY(QFileInfo::exists(f->path("single.png")));
    QCOMPARE(f->window->currentPage(), Page::Photos);
  }

  void dropOfAnEmptyFolderIsASentence() {
    f->makeProject(0);
    QVERIFY(QDir().mkpath(f->path("nothing")));
    QVERIFY(f->drop({f->path("nothing")}));
    QTRY_VERIFY(f->told("could not be used"));
    QCOMPARE(f->window->photos().rowCount(), 0);
  }

  void dropWithoutAProjectOrFilesIsNotTaken() {
    QMimeData words;
    words.setText("hello");
    QDragEnterEvent event(QPoint(10, 10), Qt::CopyAction, &words, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(f->window.get(), &event);
    QVERIFY(!event.isAccepted());
  }

  void changesAreMarkedAndSavedByThemselves() {
    f->makeProject(0);
    f->retype("subjectName", "Rex");
    QVERIFY(f->find("unsavedMark")->isVisible());
    QTRY_VERIFY_WITH_TIMEOUT(!f->window->project().isDirty(), 10000);
    QVERIFY(!f->find("unsavedMark")->isVisible());
    const auto again = f->workspace->openProject(ui::toPath(f->path("bo.likeness")));
    QVERIFY(again.has_value());
    QCOMPARE(again->recipe.subject.name, std::string("Rex"));
  }

  void furtherSubjectsOfAProjectAreKept() {
    f->makeProject(1);
    api::FurtherSubject cat;
    cat.subject.token = "zwx";
    cat.subject.classWord = "cat";
    cat.photos = {{ui::toPath(f->path("cat.jpg")), {}, {}, false}};
    cat.classFolder = ui::toPath(f->path("cats"));
    ui::ProjectModel& project = f->window->project();
    project.edit([&](api::TrainRequest& recipe) { recipe.furtherSubjects = {cat}; });
    f->retype("subjectName", "Rex");
    project.setBase({ui::toStd(f->path("model"))}, {});
    QVERIFY(project.save().has_value());
    const auto again = f->workspace->openProject(ui::toPath(f->path("bo.likeness")));
    QVERIFY(again.has_value());
    QCOMPARE(again->recipe.furtherSubjects.size(), std::size_t{1});
    QVERIFY(again->recipe.furtherSubjects.front() == cat);
  }

  void projectsAreRememberedAndReopened() {
    f->makeProject(1);
    f->trigger("actionClose");
    QVERIFY(!f->window->project().isOpen());
    f->restart();
    QCOMPARE(f->window->project().recent(), QStringList{f->path("bo.likeness")});
    f->click("recentProject");
    QVERIFY(f->window->project().isOpen());
    QCOMPARE(f->window->photos().rowCount(), 1);
    QCOMPARE(f->textOf("subjectName"), QString("Bo"));
  }

  void aProjectThatIsOpenElsewhereIsASentence() {
    f->makeProject(0);
    ui::ProjectModel other(*f->workspace, *f->settings);
    const auto opened = other.open(f->path("bo.likeness"));
    QVERIFY(!opened.has_value());
    QCOMPARE(opened.error().code, api::ErrorCode::ProjectInUse);
    f->trigger("actionClose");
    QVERIFY(other.open(f->path("bo.likeness")).has_value());
    f->window->openProject(f->path("bo.likeness"));
    QVERIFY(!f->window->project().isOpen());
    QVERIFY(f->told("bo.likeness"));
  }

  void whatIsNoProjectIsASentence() {
    QVERIFY(QDir().mkpath(f->path("plain")));
    f->window->openProject(f->path("plain"));
    QVERIFY(!f->window->project().isOpen());
    QVERIFY(f->told("plain"));
  }

  void anUnfinishedRunIsOfferedAfterARestart() {
    f->makeProject(4);
    f->makeRun("0001", 12, 40);
    f->restart();
    f->window->openProject(f->path("bo.likeness"));
    QTRY_VERIFY(f->window->training().unfinished() != nullptr);
    f->window->showPage(Page::Train);
    QTRY_VERIFY(f->told("step 12 of 40"));
    f->shot("resume-offer");
    QPushButton* offer = visibleButton("messageAction");
    QVERIFY(offer);
    QTest::mouseClick(offer, Qt::LeftButton);
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    const auto* request = f->engine->lastRequest<api::TrainRequest>();
    QVERIFY(request && request->resume);
    QCOMPARE(request->runFolder.filename().string(), std::string("0001"));
    QCOMPARE(request->training.steps, std::int64_t{40});
    // What was measured before the stop is in the plot again.
    QCOMPARE(f->window->training().curve(api::Series::SubjectLoss).size(), 12);
  }

  void aRunWhoseEngineCrashedIsOfferedWithTheReason() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    f->makeRun("0001", 12, 40);  // what it has saved until then
    f->engine->emit(job,
                    api::JobFinished{api::Failed{{api::ErrorCode::DeviceMissing,
                                                  {{"lost", "was ended by signal 11"},
                                                   {"fix", "The training can be continued"}},
                                                  {}}}});
    QTRY_VERIFY(f->window->training().unfinished() != nullptr);
    QPushButton* offer = nullptr;
    QTRY_VERIFY((offer = visibleButton("messageAction")) != nullptr);
    QVERIFY(f->told("computes stopped unexpectedly: it was ended by signal 11"));
    f->shot("crash-offer");
    QTest::mouseClick(offer, Qt::LeftButton);
    QTRY_COMPARE(f->engine->lastJob(), job + 1);
    QVERIFY(f->engine->lastRequest<api::TrainRequest>()->resume);
    QCOMPARE(f->window->training().job().state(), JobState::Queued);
    QVERIFY(!f->told("stopped unexpectedly"));
    // Another failure of the run that goes on says its own reason.
    f->engine->emit(job + 1,
                    api::JobFinished{api::Failed{{api::ErrorCode::NotEnoughMemory, {}, {}}}});
    QTRY_VERIFY(visibleButton("messageAction") != nullptr);
    QVERIFY(f->told("because memory ran out"));
  }

  void aFinishedRunIsNotOffered() {
    f->makeProject(4);
    f->makeRun("0001", 40, 40);
    f->restart();
    f->window->openProject(f->path("bo.likeness"));
    QTRY_COMPARE(f->window->training().runs().size(), std::size_t{1});
    QVERIFY(f->window->training().unfinished() == nullptr);
    QVERIFY(!f->told("stopped at step"));
  }

  void closingWhileItTrainsAsks() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    f->dialogs.nextAnswer = 2;  // do not close
    QVERIFY(!f->window->close());
    QCOMPARE(f->dialogs.questions.size(), std::size_t{1});
    QCOMPARE(f->engine->commands(job).stopRequests, 0);
    QVERIFY(f->window->isVisible());

    f->dialogs.nextAnswer = 0;  // stop and save
    QVERIFY(!f->window->close());
    QCOMPARE(f->engine->commands(job).stopRequests, 1);
    QVERIFY(f->window->isVisible());  // until the checkpoint is there
    f->engine->playToEnd(job);
    f->settle();
    QVERIFY(!f->window->isVisible());
    QVERIFY(!f->window->project().isDirty());
  }

  void closingCanLetTheTrainingFinish() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    f->dialogs.nextAnswer = 1;  // keep training, then close
    QVERIFY(!f->window->close());
    QVERIFY(f->window->isMinimized());
    QCOMPARE(f->engine->commands(job).stopRequests, 0);
    f->engine->playToEnd(job);
    f->settle();
    QVERIFY(!f->window->isVisible());
  }

  void anotherProjectDuringTrainingAsksFirst() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    f->dialogs.nextAnswer = 1;  // keep training
    f->trigger("actionClose");
    QVERIFY(f->window->project().isOpen());
    QCOMPARE(f->engine->commands(job).stopRequests, 0);
    f->engine->playToEnd(job);
    f->settle();
  }

  void shortcutsReachPagesAndTheirAction() {
    f->makeProject(4);
    QTest::keyClick(f->window.get(), Qt::Key_2, Qt::ControlModifier);
    QCOMPARE(f->window->currentPage(), Page::Train);
    QTest::keyClick(f->window.get(), Qt::Key_3, Qt::ControlModifier);
    QCOMPARE(f->window->currentPage(), Page::Compare);
    QTest::keyClick(f->window.get(), Qt::Key_4, Qt::ControlModifier);
    QCOMPARE(f->window->currentPage(), Page::Create);
    QTest::keyClick(f->window.get(), Qt::Key_Return, Qt::ControlModifier);
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    QVERIFY(f->engine->lastRequest<api::GenerateRequest>());
    f->click("railPhotos");
    QCOMPARE(f->window->currentPage(), Page::Photos);
    f->click("jobChip");
    QCOMPARE(f->window->currentPage(), Page::Create);
  }

  void theEngineIsMadeByTheFirstJobOnly() {
    f->makeProject(4);
    QCOMPARE(f->enginesMade, 0);
    startTraining();
    QCOMPARE(f->enginesMade, 1);
  }

  void theWheelChangesOnlyWhatWasChosen() {
    f->makeProject(4);
    f->window->showPage(Page::Train);
    auto* spin = f->find<QSpinBox>("classCount");
    const int before = spin->value();
    f->find("trainStart")->setFocus();
    const auto turn = [&] {
      QWheelEvent wheel(QPointF(5, 5),
                        spin->mapToGlobal(QPointF(5, 5)),
                        {},
                        {0, 120},
                        Qt::NoButton,
                        Qt::NoModifier,
                        Qt::NoScrollPhase,
                        false);
      QApplication::sendEvent(spin, &wheel);
    };
    turn();
    QCOMPARE(spin->value(), before);
    spin->setFocus();
    turn();
    QVERIFY(spin->value() > before);
  }

  void foldersLogAndVersionAreReachable() {
    f->makeProject(0);
    f->trigger("actionFolder");
    QCOMPARE(f->dialogs.shown, f->path("bo.likeness"));
    f->trigger("actionLog");
    QCOMPARE(f->dialogs.shown, f->path("log"));
    QApplication::setApplicationVersion("1.2.3");
    f->trigger("actionAbout");
    QVERIFY(f->textOf("aboutVersion").contains("1.2.3"));
    QCOMPARE(f->textOf("aboutLog"), f->path("log"));
    f->click("aboutClose");
  }

  void everyControlHasANameForTestsAndForScreenReaders() {
    f->makeProject(4);
    for (const Page page : {Page::Photos, Page::Train, Page::Compare, Page::Create}) {
      f->window->showPage(page);
      for (auto* fold : f->window->findChildren<QToolButton*>())
        if (fold->property("fold").toBool()) fold->setChecked(true);
      int controls = 0;
      for (auto* widget : f->window->findChildren<QWidget*>()) {
        const bool control =
            qobject_cast<QAbstractButton*>(widget) || qobject_cast<QLineEdit*>(widget) ||
            qobject_cast<QAbstractSpinBox*>(widget) || qobject_cast<QAbstractSlider*>(widget);
        if (!control || widget->objectName().startsWith("qt_") || !widget->isVisible()) continue;
        if (qobject_cast<QAbstractSpinBox*>(widget->parent()) ||
            qobject_cast<QComboBox*>(widget->parent()) ||
            qobject_cast<QLineEdit*>(widget->parent()) || widget->inherits("QScrollBar"))
          continue;
        ++controls;
        const QString text = widget->property("text").toString();
        QVERIFY2(!widget->objectName().isEmpty(),
                 qPrintable(text + widget->metaObject()->className()));
        const bool named = !widget->accessibleName().isEmpty() ||
                           (qobject_cast<QAbstractButton*>(widget) && !text.isEmpty());
        QVERIFY2(named, qPrintable(widget->objectName()));
      }
      QVERIFY(controls > 8);
    }
  }
};

LIKENESS_UI_TESTS(TestWindow)
#include "test_window.moc"

// What stands around the pages: the device chip, the log with its report, docks that are
// remembered.
#include <QAbstractButton>
#include <QAbstractItemModelTester>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QLineEdit>
#include <QListView>
#include <QSysInfo>

#include "tests/ui/fixture.h"
#include "ui/main_window/device_chip.h"
#include "ui/util/convert.h"
#include "ui/util/problem_report.h"

using namespace likeness;
using namespace likeness::support;

class TestFrame : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;

 private Q_SLOTS:
  void init() {
    f = std::make_unique<WindowFixture>();
    f->makeProject(2);
  }
  void cleanup() { f.reset(); }

  void theChipSaysWhatComputesAndTakes() {
    QVERIFY(f->textOf("deviceName").contains("Test"));
    QVERIFY(f->textOf("deviceMemory").contains("200"));
    QVERIFY(f->textOf("devicePeak").contains("500"));
    QVERIFY(f->find("deviceChip")->toolTip().contains("Test(R) processor"));
    f->machine.memoryMiB = 321;
    QTRY_VERIFY(f->textOf("deviceMemory").contains("321"));
    QCOMPARE(f->enginesMade, 0);
    QCOMPARE(ui::DeviceChip::shortName("Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz"),
             QString("Xeon Platinum 8480+"));
    QCOMPARE(ui::DeviceChip::shortName("AMD Ryzen 9 7950X 16-Core Processor"),
             QString("Ryzen 9 7950X"));
    QCOMPARE(ui::DeviceChip::shortName("NVIDIA GeForce RTX 4090"), QString("RTX 4090"));
    QCOMPARE(ui::DeviceChip::shortName("CPU"), QString("CPU"));
  }

  void theLogIsFilteredAndCopied() {
    QAbstractItemModelTester tester(&f->log,
                                    QAbstractItemModelTester::FailureReportingMode::QtTest);
    f->trigger("actionLogDock");
    f->log.add(ui::LogLevel::Debug, "small things");
    f->log.add(ui::LogLevel::Info, "a model was read");
    f->log.add(ui::LogLevel::Warning, "memory is short");
    f->log.add(ui::LogLevel::Error, "it broke");
    auto* lines = f->find<QListView>("logLines");
    QTRY_COMPARE(lines->model()->rowCount(), 3);
    f->shot("log");
    auto* level = f->find<QComboBox>("logLevel");
    level->setCurrentIndex(2);
    QCOMPARE(lines->model()->rowCount(), 2);
    f->click("logCopy");
    QVERIFY(QApplication::clipboard()->text().contains("warning memory is short\n"));
    QVERIFY(!QApplication::clipboard()->text().contains("a model"));
    level->setCurrentIndex(0);
    QCOMPARE(lines->model()->rowCount(), 4);
    f->type("logSearch", "BROKE");
    QCOMPARE(lines->model()->rowCount(), 1);
    lines->setCurrentIndex(lines->model()->index(0, 0));
    lines->setFocus();
    QTest::keyClick(lines, Qt::Key_C, Qt::ControlModifier);
    QVERIFY(QApplication::clipboard()->text().endsWith("error it broke"));
  }

  void theLogKeepsItsLastLines() {
    for (int i = 0; i < ui::LogModel::kMostLines + 7; ++i)
      f->log.add(ui::LogLevel::Info, "line " + std::to_string(i));
    f->settle();
    f->log.add(ui::LogLevel::Info, "the end");
    f->settle();
    QCOMPARE(f->log.rowCount(), ui::LogModel::kMostLines);
    QVERIFY(f->log.last(1).first().endsWith("the end"));
    QVERIFY(f->log.last(2).first().endsWith("line 5006"));
    QCOMPARE(f->log.last(999999).size(), ui::LogModel::kMostLines);
  }

  void theReportNamesNobody() {
    qputenv("USER", "zoltan");
    const QByteArray home = qgetenv("HOME");
    qputenv("HOME", f->path("home/zoltan").toUtf8());
    f->log.add(ui::LogLevel::Error,
               ui::toStd(f->path("home/zoltan") + "/dogs, /media/zoltan/x, zoltanish"));
    f->settle();
    f->trigger("actionLogDock");
    f->click("logReport");
    const QString report = QApplication::clipboard()->text();
    qputenv("HOME", home);
    QVERIFY2(report.contains("~/dogs, /media/USER/x, zoltanish"), qPrintable(report));
    QVERIFY(report.contains("class: dog"));
    QVERIFY(report.contains(QApplication::applicationName()));
    QVERIFY(report.contains(QSysInfo::kernelVersion()));
    QCOMPARE(ui::redacted("/users/jan/a /users/janet/b", "/users/jan", {}),
             QString("~/a /users/janet/b"));
    QCOMPARE(ui::redacted("jan janet jan.", {}, "jan"), QString("USER janet USER."));
    QCOMPARE(ui::redacted("/etc", "/", {}), QString("/etc"));
  }

  void docksAreRememberedAndClosed() {
    QVERIFY(!f->find("logDock")->isVisible());
    QTest::keyClick(f->window.get(), Qt::Key_L, Qt::ControlModifier);
    QVERIFY(f->find("logDock")->isVisible());
    f->click("railQueue");
    QVERIFY(f->find("queueDock")->isVisible());
    f->click("queueDockClose");
    QVERIFY(!f->find("queueDock")->isVisible());
    QVERIFY(f->window->close());
    f->restart();
    QVERIFY(f->find("logDock")->isVisible());
    QVERIFY(!f->find("queueDock")->isVisible());
  }

  void everyControlOfTheDocksHasItsNames() {
    f->trigger("actionLogDock");
    f->trigger("actionQueueDock");
    int controls = 0;
    for (const char* dock : {"logDock", "queueDock"}) {
      for (auto* button : f->find(dock)->findChildren<QAbstractButton*>()) {
        if (!button->isVisible() || qobject_cast<QLineEdit*>(button->parent())) continue;
        ++controls;
        QVERIFY(!button->objectName().isEmpty());
        QVERIFY2(!button->accessibleName().isEmpty() || !button->text().isEmpty(),
                 qPrintable(button->objectName()));
        QVERIFY2(button->focusPolicy() != Qt::NoFocus, qPrintable(button->objectName()));
      }
    }
    QVERIFY(controls > 8);
    QVERIFY(!f->find("queueList")->accessibleName().isEmpty());
  }
};

LIKENESS_UI_TESTS(TestFrame)
#include "test_frame.moc"

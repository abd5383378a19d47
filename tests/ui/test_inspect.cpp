// "What is this file?" and the base model: by menu, by drop, from the picker; every kind of file;
// what a person chooses beside a file.
#include <QAbstractItemView>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDialog>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QToolButton>
#include <algorithm>

#include "tests/support/checkpoints.h"
#include "tests/ui/fixture.h"
#include "ui/models/photos_model.h"
#include "ui/util/convert.h"
#include "ui/widgets/parts.h"

using namespace likeness;
using namespace likeness::support;
using ui::Page;

class TestInspect : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;

  QString junk(const QString& name) const {
    QFile file(f->path(name));
    if (!file.open(QIODevice::WriteOnly)) qFatal("cannot write %s", qPrintable(name));
    file.write("hostile header");
    return file.fileName();
  }
  QString checkpointFile(const QString& name, weights::Family family) const {
    writeSparseFile(ui::toPath(f->path(name)), checkpoint(family));
    return f->path(name);
  }
  QString starter(const char* part = "") const {
    return QDir::cleanPath(ui::fromPath(f->workspace->resources() / "starter" / part));
  }
  /// The starter model under another name.
  QString modelFolder(const QString& name) const {
    std::filesystem::copy(
        ui::toPath(starter()), ui::toPath(f->path(name)), std::filesystem::copy_options::recursive);
    return f->path(name);
  }

  QList<QDialog*> dialogs() const {
    QList<QDialog*> open;
    for (auto* dialog : f->window->findChildren<QDialog*>("inspectDialog"))
      if (dialog->isVisible()) open << dialog;
    return open;
  }
  bool allRead() const {
    const auto open = dialogs();
    return !open.isEmpty() && std::ranges::all_of(open, [](QDialog* dialog) {
      return dialog->findChild<QPushButton*>("inspectCopy")->isEnabled() &&
             !dialog->findChild<QWidget*>("inspectBusy");
    });
  }
  /// Waits for the dialog and for what it has read.
  bool read() const {
    if (!f->waitFor([this] { return allRead(); })) return false;
    f->settle();
    return true;
  }
  void inspect(const QString& file) {
    f->dialogs.nextModels = {file};
    f->trigger("actionInspect");
    QVERIFY(read());
    QCOMPARE(dialogs().size(), 1);
  }
  void close() {
    f->click("inspectClose");
    QTRY_VERIFY(!f->window->findChild<QDialog*>("inspectDialog"));
  }
  QString report() {
    f->click("inspectCopy");
    return QApplication::clipboard()->text();
  }
  bool visible(const char* name) const {
    const auto* widget = f->window->findChild<QWidget*>(QLatin1String(name));
    return widget && widget->isVisible();
  }
  const api::ModelRef& base() const { return f->window->project().recipe().base; }
  /// The entry of the base picker that asks for a file.
  void pickBaseFile(const QString& file) {
    f->dialogs.nextModels = {file};
    auto* picker = f->find<QComboBox>("baseModel");
    picker->showPopup();
    auto* view = picker->view();
    const QModelIndex row = view->model()->index(picker->findData(QStringLiteral(":file")), 0);
    QTest::mouseClick(view->viewport(), Qt::LeftButton, {}, view->visualRect(row).center());
    QTRY_VERIFY(picker->isEnabled());
    f->settle();
  }

 private Q_SLOTS:
  void init() { f = std::make_unique<WindowFixture>(); }
  void cleanup() { f.reset(); }

  void theShortcutAsksForAFileAndEscapeCloses() {
    f->dialogs.nextModels = {starter()};
    QTest::keyClick(f->window.get(), Qt::Key_I, Qt::ControlModifier);
    QVERIFY(read());
    QVERIFY(f->textOf("inspectSentence").contains("model in a folder"));
    QVERIFY(!f->textOf("inspectPlace").isEmpty());
    // Without a project there is nothing to choose for.
    QVERIFY(!visible("inspectChoices"));
    QVERIFY(!visible("inspectUse"));
    QTest::keyClick(dialogs().first(), Qt::Key_Escape);
    QTRY_VERIFY(!f->window->findChild<QDialog*>("inspectDialog"));
  }

  void everyFileHasOneDialog() {
    f->dialogs.nextModels = {f->makeLora("a.safetensors"), starter()};
    f->trigger("actionInspect");
    f->trigger("actionInspect");
    QCOMPARE(dialogs().size(), 2);
    QVERIFY(read());
  }

  void ofManyFilesOnlyTheFirstAreOpened() {
    for (int i = 0; i < 8; ++i)
      f->dialogs.nextModels << f->makeLora(QStringLiteral("%1.safetensors").arg(i));
    f->trigger("actionInspect");
    QCOMPARE(dialogs().size(), 6);
    QVERIFY(f->told("2 more file"));
    QVERIFY(read());
  }

  void aDropIsInspectedWithoutAProject() {
    QVERIFY(!f->drop({f->makePhoto("photo.png")}));
    QVERIFY(f->drop({f->makeLora("dog.safetensors"), starter()}));
    QCOMPARE(dialogs().size(), 2);
    QVERIFY(read());
  }

  void aDropOfPhotosAndModelsIsSorted() {
    f->makeProject(0);
    QVERIFY(f->drop(
        {f->makeLora("dog.safetensors"), f->makePhoto("photo.png", 7), modelFolder("model")}));
    QTRY_COMPARE(f->window->photos().rowCount(), 1);
    QCOMPARE(dialogs().size(), 2);
    QVERIFY(read());
    QVERIFY(!f->told("could not be used"));
  }

  void aSingleFileIsToldFromItsHeader() {
    inspect(checkpointFile("xl.safetensors", weights::Family::StableDiffusionXl));
    QVERIFY(f->textOf("inspectSentence").contains("Stable Diffusion XL checkpoint in one file"));
    const QString text = report();
    QVERIFY2(text.contains("1024 × 1024 pixels"), qPrintable(text));
    QVERIFY(text.contains("billion"));
    QVERIFY(text.contains("half precision (F16)"));
    QVERIFY(text.contains("Text encoder 2: "));
    QVERIFY(text.startsWith("xl.safetensors\n" + f->path("xl.safetensors")));
    close();
  }

  void anAdapterGivesItsWordsAway() {
    inspect(f->makeLora("dog.safetensors"));
    QVERIFY(f->textOf("inspectSentence").contains("adapter"));
    QCOMPARE(f->textOf("inspectTriggerwords"), QString("sks dog, a very good one"));
    QApplication::clipboard()->clear();
    f->click("inspectTriggerwordsCopy");
    QCOMPARE(QApplication::clipboard()->text(), QString("sks dog, a very good one"));
    QVERIFY(report().contains("Rank: 8"));
    close();
    f->makeProject(0);
    inspect(f->path("dog.safetensors"));
    QVERIFY(!visible("inspectChoices"));  // nothing can start from it
    QVERIFY(!visible("inspectUse"));
  }

  void otherFilesAreNamedOrRefused() {
    inspect(f->makeWeights("e.safetensors", {{"emb_params", {2, 768}}}));
    QVERIFY(f->textOf("inspectSentence").contains("embedding"));
    close();
    inspect(starter("vae/diffusion_pytorch_model.safetensors"));
    QVERIFY(f->textOf("inspectSentence").contains("VAE"));
    QVERIFY(f->textOf("inspectPlace").contains("stand in"));
    close();
    inspect(f->makeWeights("unet.safetensors", {{"down_blocks.0.resnets.0.conv1.weight", {4}}}));
    QVERIFY(f->textOf("inspectSentence").contains("One part of a model"));
    QCOMPARE(f->find<QListWidget>("inspectProblems")->count(), 1);
    close();
    inspect(f->makeWeights("x.safetensors", {{"x", {2}}}));
    QVERIFY(f->textOf("inspectSentence").contains("A file of weights"));
    QVERIFY(!visible("inspectPlace"));
    QVERIFY(report().contains("No model, adapter or embedding"));
    close();
    for (const QString& file : {junk("bad.safetensors"), junk("old.ckpt"), f->path("gone.bin")}) {
      inspect(file);
      QVERIFY(f->textOf("inspectError").remove(QChar(0x200b)).contains(file));
      QVERIFY(!f->textOf("inspectHint").isEmpty());
      QVERIFY(report().contains(file));
      close();
    }
  }

  void longNamesGiveWay() {
    const QString name = QString(120, 'n') + "-" + QString(90, 'm') + ".safetensors";
    inspect(f->makeWeights(name,
                           {{"emb_params", {2, 768}}},
                           {{"modelspec.author", std::string(300, 'a')},
                            {"modelspec.title", std::string(40, 'm')},
                            {"modelspec.description", std::string(290, 'd')}}));
    QDialog* dialog = dialogs().first();
    QCOMPARE(dialog->width(), 600);
    QVERIFY(f->textOf("inspectTitle").size() < name.size());
    QCOMPARE(f->find("inspectTitle")->toolTip(), name);
    dialog->resize(dialog->minimumSize());
    f->settle();
    for (auto* widget : dialog->findChildren<QWidget*>())
      if (widget->isVisible())
        QVERIFY2(widget->mapTo(dialog, QPoint(widget->width(), 0)).x() <= dialog->width(),
                 qPrintable(widget->objectName()));
  }

  void aChoiceChangesTheProjectOnlyWhenItIsApplied() {
    f->makeProject(0);
    QVERIFY(f->window->project().save().has_value());
    f->click("baseModelInfo");
    QVERIFY(read());
    QCOMPARE(f->textOf("inspectTitle"), QString("Starter model"));
    QCOMPARE(f->textOf("inspectUse"), QString("Apply"));
    QVERIFY(!f->find("inspectUse")->isEnabled());
    auto* prediction = f->find<QComboBox>("inspectPrediction");
    prediction->setFocus();
    QTest::keyClick(prediction, Qt::Key_End);
    QVERIFY(read());
    QVERIFY(f->find("inspectUse")->isEnabled());
    QVERIFY(report().contains("sample (the picture itself), as you chose"));
    close();
    QCOMPARE(base(), api::ModelRef{});
    QVERIFY(!f->window->project().isDirty());
    QVERIFY(!visible("baseChoices"));

    f->click("baseModelInfo");
    QVERIFY(read());
    QCOMPARE(f->find<QComboBox>("inspectPrediction")->currentIndex(), 0);
    f->dialogs.nextModels = {starter("vae/diffusion_pytorch_model.safetensors")};
    f->click("inspectVaeChoose");
    QVERIFY(read());
    QVERIFY(report().contains("from diffusion_pytorch_model.safetensors"));
    prediction = f->find<QComboBox>("inspectPrediction");
    prediction->setFocus();
    QTest::keyClick(prediction, Qt::Key_Down);
    QVERIFY(read());
    QTest::keyClick(prediction, Qt::Key_Return);  // what was prepared
    QTRY_VERIFY(!f->window->findChild<QDialog*>("inspectDialog"));
    QCOMPARE(base().path, std::string("starter"));
    QCOMPARE(base().prediction, api::PredictionChoice::Epsilon);
    QCOMPARE(ui::fromPath(base().vae), f->dialogs.nextModels.first());
    QVERIFY(visible("unsavedMark"));
    QVERIFY(f->textOf("baseChoices").remove(QChar(0x200b)).contains("epsilon"));
    QVERIFY(f->textOf("baseChoices").remove(QChar(0x200b)).contains("diffusion_pytorch_model"));
    f->shot("photos-choices");

    // It is what pictures are made with, and it is still there after a restart.
    f->window->showPage(Page::Create);
    QVERIFY(f->textOf("weightsChoices").contains("epsilon"));
    f->click("generate");
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    QCOMPARE(f->engine->lastRequest<api::GenerateRequest>()->model, base());
    const api::ModelRef chosen = base();
    f->restart();
    f->window->openProject(f->path("bo.likeness"));
    QCOMPARE(base(), chosen);
    QVERIFY(visible("baseChoices"));

    f->click("baseModelInfo");
    QVERIFY(read());
    f->click("inspectVaeOwn");
    QVERIFY(read());
    QVERIFY(!visible("inspectVaeOwn"));
    f->click("inspectUse");
    QTRY_VERIFY(!f->window->findChild<QDialog*>("inspectDialog"));
    QVERIFY(base().vae.empty());
  }

  void anAutoencoderThatDoesNotFitIsNotTaken() {
    f->makeProject(0);
    f->click("baseModelInfo");
    QVERIFY(read());
    f->dialogs.nextModels = {f->makeLora("dog.safetensors")};
    f->click("inspectVaeChoose");
    QVERIFY(read());
    QVERIFY(!f->find("inspectUse")->isEnabled());
    QVERIFY(visible("inspectError") || visible("inspectProblems"));
    f->dialogs.nextModels = {junk("bad.safetensors")};
    f->click("inspectVaeChoose");
    QVERIFY(read());
    QVERIFY(f->textOf("inspectError").contains("safetensors"));
    QVERIFY(!f->find("inspectUse")->isEnabled());
    f->click("inspectVaeOwn");
    QVERIFY(read());
    QVERIFY(!f->textOf("inspectSentence").isEmpty());
    QVERIFY(!f->find("inspectUse")->isEnabled());  // as the project has it
    close();
    QCOMPARE(base(), api::ModelRef{});
  }

  void aGuessCanBeOverruled() {
    f->makeProject(0);
    inspect(checkpointFile("two.safetensors", weights::Family::StableDiffusion2));
    QVERIFY(report().contains("a guess: the file does not say"));
    QCOMPARE(f->textOf("inspectUse"), QString("Use as base model"));
    auto* prediction = f->find<QComboBox>("inspectPrediction");
    prediction->setFocus();
    QTest::keyClick(prediction, Qt::Key_End);
    QVERIFY(read());
    QVERIFY(!report().contains("a guess"));
    f->click("inspectUse");
    QTRY_COMPARE(base().path, ui::toStd(f->path("two.safetensors")));
    QCOMPARE(base().prediction, api::PredictionChoice::Sample);
    QTRY_VERIFY(!f->window->findChild<QDialog*>("inspectDialog"));
    QCOMPARE(f->find<QComboBox>("baseModel")->currentText(), QString("two.safetensors"));
    QVERIFY(visible("baseChoices"));
  }

  void aModelWithoutAnAutoencoderCanBorrowOne() {
    f->makeProject(0);
    const QString model = modelFolder("model");
    QFile::remove(model + "/vae/diffusion_pytorch_model.safetensors");
    inspect(model);
    QVERIFY(visible("inspectProblems"));
    QVERIFY(!visible("inspectPlace"));
    QVERIFY(!f->find("inspectUse")->isEnabled());
    f->dialogs.nextModels = {starter("vae/diffusion_pytorch_model.safetensors")};
    f->click("inspectVaeChoose");
    QVERIFY(read());
    QVERIFY(!visible("inspectProblems"));
    f->click("inspectUse");
    QTRY_COMPARE(base().path, ui::toStd(model));
    QCOMPARE(ui::fromPath(base().vae), f->dialogs.nextModels.first());
  }

  void thePickerTakesSingleFilesAndRemembersThem() {
    f->makeProject(0);
    const QString file = checkpointFile("one.safetensors", weights::Family::StableDiffusion1);
    pickBaseFile(file);
    QTRY_COMPARE(base().path, ui::toStd(file));
    f->dialogs.nextProject = f->path("second");
    f->trigger("actionNew");
    QCOMPARE(base().path, std::string("starter"));
    QVERIFY(f->find<QComboBox>("baseModel")->findData(file) >= 0);
    QFile::remove(file);
    f->dialogs.nextProject = f->path("third");
    f->trigger("actionNew");
    QVERIFY(f->find<QComboBox>("baseModel")->findData(file) < 0);
  }

  void thePickerSaysWhyAFileIsNoBaseModel() {
    f->makeProject(0);
    const QString adapter = f->makeLora("dog.safetensors");
    pickBaseFile(adapter);
    QTRY_VERIFY(f->told("dog.safetensors” cannot be a base model: it is an adapter"));
    QCOMPARE(base().path, std::string("starter"));
    QCOMPARE(f->find<QComboBox>("baseModel")->currentData().toString(), QString("starter"));
    f->shot("base-refused");
    QPushButton* offer = nullptr;
    for (auto* button : f->window->findChildren<QPushButton*>("messageAction"))
      if (button->isVisible()) offer = button;
    QVERIFY(offer);
    QTest::mouseClick(offer, Qt::LeftButton);
    QVERIFY(read());
    QCOMPARE(f->textOf("inspectTitle"), QString("dog.safetensors"));
    close();
    pickBaseFile(f->makeWeights("x.safetensors", {{"x", {2}}}));
    QTRY_VERIFY(f->told("cannot be a base model"));
    pickBaseFile(junk("bad.safetensors"));
    QTRY_VERIFY(f->told("bad.safetensors"));
    QCOMPARE(base().path, std::string("starter"));
  }

  void theChoicesFollowTheProject() {
    f->makeProject(0);
    inspect(modelFolder("model"));
    QVERIFY(visible("inspectUse"));
    f->trigger("actionClose");
    QVERIFY(!visible("inspectUse"));
    QVERIFY(!visible("inspectChoices"));
    f->window->openProject(f->path("bo.likeness"));
    QVERIFY(visible("inspectUse"));
    QCOMPARE(f->textOf("inspectUse"), QString("Use as base model"));
    f->window->project().edit(
        [&](api::TrainRequest& recipe) { recipe.base.path = ui::toStd(f->path("model")); });
    QCOMPARE(f->textOf("inspectUse"), QString("Apply"));
    QVERIFY(!f->find("inspectUse")->isEnabled());
    close();
    // Another project has chosen otherwise.
    f->window->project().edit([&](api::TrainRequest& recipe) {
      recipe.base.prediction = api::PredictionChoice::Epsilon;
    });
    f->dialogs.nextProject = f->path("second");
    f->trigger("actionNew");
    f->window->project().edit(
        [&](api::TrainRequest& recipe) { recipe.base.path = ui::toStd(f->path("model")); });
    f->click("baseModelInfo");
    QVERIFY(read());
    QCOMPARE(f->find<QComboBox>("inspectPrediction")->currentIndex(), 0);
    f->window->openProject(f->path("bo.likeness"));
    QVERIFY(read());
    QCOMPARE(f->find<QComboBox>("inspectPrediction")->currentIndex(), 1);
    QVERIFY(!f->find("inspectUse")->isEnabled());
  }

  void theWindowMayGoWhileAFileIsRead() {
    f->dialogs.nextModels = {starter()};
    f->trigger("actionInspect");
    f->restart();
    f->settle();
    QVERIFY(dialogs().isEmpty());
  }

  void theKeyboardReachesEveryControlAndEachHasAName() {
    f->makeProject(0);
    inspect(f->makeLora("dog.safetensors"));
    close();
    f->click("baseModelInfo");
    QVERIFY(read());
    f->dialogs.nextModels = {starter("vae/diffusion_pytorch_model.safetensors")};
    f->click("inspectVaeChoose");
    QVERIFY(read());
    QDialog* dialog = dialogs().first();
    QSet<QString> reached;
    f->find("inspectClose")->setFocus();
    for (int i = 0; i < 60; ++i) {
      QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
      reached << QApplication::focusWidget()->objectName();
    }
    for (const char* name : {"inspectPrediction",
                             "inspectVaeOwn",
                             "inspectVaeChoose",
                             "inspectCopy",
                             "inspectClose",
                             "inspectUse"})
      QVERIFY2(reached.contains(QLatin1String(name)), name);
    for (auto* button : dialog->findChildren<QAbstractButton*>())
      QVERIFY2(!button->accessibleName().isEmpty() || !button->text().isEmpty(),
               qPrintable(button->objectName()));
    QVERIFY(!f->find("inspectPrediction")->accessibleName().isEmpty());
  }
};

LIKENESS_UI_TESTS(TestInspect)
#include "test_inspect.moc"

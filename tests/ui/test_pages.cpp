// Every page driven through its states by clicks and keys.
#include <QAbstractItemModelTester>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRadioButton>
#include <QSlider>
#include <QSpinBox>

#include "tests/ui/fixture.h"
#include "ui/util/convert.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/loss_plot.h"
#include "ui/widgets/photo_grid.h"

using namespace likeness;
using namespace likeness::support;
using ui::JobState;
using ui::Page;

class TestPages : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;

  /// A training that is accepted and waits for its beats.
  api::JobId startTraining() {
    f->window->showPage(Page::Train);
    const api::JobId before = f->engine->lastJob();
    f->click("trainStart");
    if (!f->waitFor([&] { return f->engine->lastJob() > before; })) qFatal("no job was submitted");
    return f->engine->lastJob();
  }
  api::JobId startGeneration() {
    f->window->showPage(Page::Create);
    const api::JobId before = f->engine->lastJob();
    f->click("generate");
    if (!f->waitFor([&] { return f->engine->lastJob() > before; })) qFatal("no job was submitted");
    return f->engine->lastJob();
  }

 private Q_SLOTS:
  void init() { f = std::make_unique<WindowFixture>(); }
  void cleanup() { f.reset(); }

  void startPageOffersTheWaysToAProject() {
    QVERIFY(!f->window->project().isOpen());
    QVERIFY(f->find("startNew")->isVisible());
    QVERIFY(!f->find("rail")->isVisible());
    f->shot("start");
    f->dialogs.nextProject = f->path("first");
    f->click("startNew");
    QVERIFY(f->window->project().isOpen());
    QVERIFY(QFileInfo(f->path("first.likeness/project.yaml")).isFile());
    QCOMPARE(f->window->project().name(), QString("first"));
    QVERIFY(f->find("photoGrid")->isVisible());
    f->shot("photos-empty");
  }

  void photosPageTakesTheSubjectByKeys() {
    f->makeProject(0, {});
    f->retype("subjectName", "Bo");
    f->retype("classWord", "corgi");
    f->retype("token", "sks");
    const api::SubjectOptions& subject = f->window->project().recipe().subject;
    QCOMPARE(subject.name, std::string("Bo"));
    QCOMPARE(subject.classWord, std::string("corgi"));
    QTRY_VERIFY_WITH_TIMEOUT(f->textOf("tokenCheck").contains("one token"), 5000);
    f->retype("token", "zwxiqqvv");
    QTRY_VERIFY_WITH_TIMEOUT(f->textOf("tokenCheck").contains("tokens of this model"), 5000);
  }

  void photosPageShowsWhatIsWrongWithAPhoto() {
    f->makeProject(3);
    QImage blurry(400, 400, QImage::Format_RGB888);
    blurry.fill(Qt::gray);
    blurry.save(f->path("flat.png"));
    QFile::copy(f->makePhoto("twin.jpg", 1), f->path("twin2.jpg"));
    QFile text(f->path("notes.txt"));
    QVERIFY(text.open(QIODevice::WriteOnly));
    text.write("no picture");
    text.close();
    f->window->photos().add(
        {f->path("flat.png"), f->path("twin.jpg"), f->path("twin2.jpg"), f->path("notes.txt")});
    QTRY_VERIFY(f->window->photos().rowCount() >= 5);
    QTRY_VERIFY(f->window->photos().toCheck() >= 2);
    // The text file is named, and not among the photos.
    QTRY_VERIFY(f->told("could not be used"));
    for (int row = 0; row < f->window->photos().rowCount(); ++row)
      QVERIFY(!f->window->photos().index(row).data().toString().endsWith(".txt"));
    auto* grid = f->find<ui::PhotoGrid>("photoGrid");
    grid->setCurrentIndex(f->window->photos().index(3));
    QTRY_VERIFY(!f->textOf("photoFindings").isEmpty());
    f->settle();
    f->shot("photos-findings");
  }

  void photosAreLeftOutAndRemoved() {
    f->makeProject(4);
    QAbstractItemModelTester tester(&f->window->photos(),
                                    QAbstractItemModelTester::FailureReportingMode::QtTest);
    auto* grid = f->find<ui::PhotoGrid>("photoGrid");
    grid->setFocus();
    QTest::mouseClick(grid->viewport(),
                      Qt::LeftButton,
                      {},
                      grid->visualRect(f->window->photos().index(1)).center());
    QCOMPARE(grid->selectedRows(), QList<int>{1});
    QTRY_VERIFY(!f->find<ui::ImageView>("largePhoto")->image().isNull());
    QTRY_VERIFY(!f->textOf("tokenCheck").isEmpty());
    f->shot("photos-selected");
    QTest::keyClick(grid, Qt::Key_Space);
    QVERIFY(f->window->project().recipe().photos[1].excluded);
    QCOMPARE(f->window->photos().usable(), 3);
    f->click("excludePhoto");
    QVERIFY(!f->window->project().recipe().photos[1].excluded);
    f->type("caption", "a photo of {subject} at night");
    QCOMPARE(f->window->project().recipe().photos[1].caption,
             std::string("a photo of {subject} at night"));
    f->find("photoGrid")->setFocus();
    QTest::keyClick(grid, Qt::Key_Delete);
    QCOMPARE(f->window->photos().rowCount(), 3);
    QCOMPARE(f->window->project().recipe().photos.size(), std::size_t{3});
  }

  void trainPageSaysWhatIsMissing() {
    f->makeProject(2, {});
    f->window->showPage(Page::Train);
    QVERIFY(!f->find("trainStart")->isEnabled());
    QVERIFY(f->textOf("trainProblems").contains("class word", Qt::CaseInsensitive));
    f->shot("train-problems");
    f->window->project().edit([](api::TrainRequest& recipe) { recipe.subject.classWord = "dog"; });
    QVERIFY(f->find("trainStart")->isEnabled());
    QVERIFY(f->textOf("trainProblems").isEmpty());
  }

  void strengthBecomesSteps() {
    f->makeProject(4);
    f->window->showPage(Page::Train);
    auto* slider = f->find<QSlider>("strengthSlider");
    slider->setFocus();
    QTest::keyClick(slider, Qt::Key_Right);
    const double passes = f->window->project().recipe().training.passesPerPhoto;
    QCOMPARE(f->window->project().recipe().training.steps, std::int64_t{0});
    QVERIFY(f->textOf("strengthText").contains(QString::number(passes * 4)));
    f->click("methodLora");
    QCOMPARE(f->window->project().recipe().training.method, api::Method::Lora);
    f->click("methodWord");
    QCOMPARE(f->window->project().recipe().training.method, api::Method::TextualInversion);
    QVERIFY(f->find("trainStart")->isEnabled());
    QVERIFY(!f->find("classCount")->isEnabled());
    f->window->project().edit([](auto& recipe) { recipe.training.method = api::Method::Full; });
    QVERIFY(f->find("classCount")->isEnabled());
    QVERIFY(f->find<QRadioButton>("methodFull")->isChecked());
    f->window->project().edit(
        [](auto& recipe) { recipe.training.method = api::Method::TextualInversion; });
    QVERIFY(f->find<QRadioButton>("methodWord")->isChecked());
    f->find<QSpinBox>("classCount")->setValue(0);
    QVERIFY(!f->find("priorSlider")->isEnabled());
  }

  void trainPageSaysWhatItWillTake() {
    f->makeProject(4);
    f->window->showPage(Page::Train);
    auto* plan = f->find<QLabel>("trainPlan");
    QTRY_VERIFY(plan->isVisible());
    const auto shows = [&](const QString& words) { return plan->text().contains(words); };
    QTRY_VERIFY(shows("240 steps, 60 passes per photo, about "));
    QVERIFY(shows(" memory, "));
    QVERIFY(plan->text().endsWith(" disk"));
    QCOMPARE(plan->property("tone").toString(), QString());
    f->shot("train-plan");
    // It follows the controls, and gives the smallest change that would fit.
    f->find<QSlider>("strengthSlider")->setFocus();
    QTest::keyClick(f->find("strengthSlider"), Qt::Key_Right);
    const auto passes = f->window->project().recipe().training.passesPerPhoto;
    QTRY_VERIFY(shows(QStringLiteral("%1 steps").arg(passes * 4)));
    f->window->project().edit([](api::TrainRequest& recipe) {
      recipe.training.batchSize = 8;
      recipe.compute.memoryLimit = 600;
    });
    QTRY_COMPARE(plan->property("tone").toString(), QString("warning"));
    QVERIFY(shows("would fit"));
    f->shot("train-plan-warning");
    f->window->project().edit([](api::TrainRequest& recipe) { recipe.compute.memoryLimit = 0; });
    QTRY_COMPARE(plan->property("tone").toString(), QString());
    // Nothing is planned that would not start, nor while something runs.
    startTraining();
    f->settle();
    QVERIFY(!plan->isVisible());
    f->engine->scriptTraining(f->engine->lastJob());
    f->engine->playToEnd(f->engine->lastJob());
    QTRY_VERIFY(plan->isVisible());
    f->window->project().edit([](api::TrainRequest& recipe) { recipe.subject.classWord.clear(); });
    QTRY_VERIFY(!plan->isVisible());
  }

  void aRecipeOfANewWordIsRunAsSuch() {
    f->makeProject(4);
    f->window->showPage(Page::Train);
    f->click("methodWord");
    startTraining();
    const auto* request = f->engine->lastRequest<api::TrainRequest>();
    QVERIFY(request);
    QCOMPARE(request->training.method, api::Method::TextualInversion);
  }

  void trainPageRunsToTheEnd() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    const auto* request = f->engine->lastRequest<api::TrainRequest>();
    QVERIFY(request);
    QCOMPARE(request->photos.size(), std::size_t{4});
    QCOMPARE(request->runFolder.filename().string(), std::string("0001"));
    QCOMPARE(f->window->training().job().state(), JobState::Queued);
    QVERIFY(f->find("trainStop")->isVisible());
    QVERIFY(!f->find("trainStart")->isVisible());
    QVERIFY(f->find("jobChip")->isVisible());

    QAbstractItemModelTester samples(&f->window->training().samples(),
                                     QAbstractItemModelTester::FailureReportingMode::QtTest);
    QAbstractItemModelTester classes(&f->window->training().classImages(),
                                     QAbstractItemModelTester::FailureReportingMode::QtTest);
    TrainingScript script;
    script.steps = 40;
    script.classImages = 8;
    script.samplePrompts = 3;
    f->engine->scriptTraining(job, script);
    f->engine->advance(job, 8);
    f->settle();
    QCOMPARE(f->window->training().job().state(), JobState::Running);
    QVERIFY(f->textOf("trainStatus").contains("class pictures"));
    f->engine->advance(job, 36);
    f->settle();
    QTRY_VERIFY(f->find<ui::LossPlot>("lossPlot")->pointCount(api::Series::SubjectLoss) > 10);
    QVERIFY(f->textOf("trainStatus").contains("of 40"));
    QCOMPARE(f->window->training().classImages().rowCount(), 8);
    QVERIFY(f->window->training().samples().rowCount() >= 6);
    QVERIFY(!f->find("trainAdvice")->isVisible());
    f->engine->emit(job, api::Advice{api::AdviceState::Drifting, 12, 8, 0.3, 0.07, {}, {}});
    f->settle();
    QVERIFY(f->textOf("trainAdvice").contains("since step 8"));
    QVERIFY(f->textOf("trainAdvice").contains("its loss by 7 %"));
    QVERIFY(!f->textOf("trainAdvice").contains("picture"));
    f->shot("train-running");
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->training().job().state(), JobState::Finished);
    QCOMPARE(f->find<ui::LossPlot>("lossPlot")->pointCount(api::Series::SubjectLoss), 40);
    QCOMPARE(f->find<ui::LossPlot>("lossPlot")->pointCount(api::Series::ProbeSubject), 8);
    QVERIFY(f->find("trainStart")->isVisible());
    QVERIFY(!f->find("jobChip")->isVisible());
    f->shot("train-finished");
  }

  void trainPageStopsAndKeeps() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    f->engine->scriptTraining(job);
    f->engine->advance(job, 20);
    f->settle();
    f->click("trainStop");
    QCOMPARE(f->window->training().job().state(), JobState::Stopping);
    QCOMPARE(f->engine->commands(job).stopRequests, 1);
    QVERIFY(!f->find("trainStop")->isEnabled());
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->training().job().state(), JobState::Cancelled);
    QVERIFY(f->find("trainStart")->isVisible());
  }

  void trainPageShowsAFailure() {
    f->makeProject(4);
    const api::JobId job = startTraining();
    TrainingScript script;
    script.failure = api::Error{api::ErrorCode::NonFinite,
                                {{"what", "The loss"}, {"step", "7"}, {"folder", "0001"}},
                                "inner text"};
    script.failAtStep = 7;
    f->engine->scriptTraining(job, script);
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->training().job().state(), JobState::Failed);
    QVERIFY(f->told("step 7"));
    f->shot("train-failed");
  }

  void refusalsAndAMissingEngineAreSentences() {
    f->makeProject(4);
    f->engineError = api::Error{api::ErrorCode::EngineMissing, {{"reason", "no file"}}, {}};
    f->window->showPage(Page::Train);
    f->click("trainStart");
    QTRY_COMPARE(f->window->training().job().state(), JobState::Failed);
    f->engineError.reset();
    f->engine->refuseNext({api::ErrorCode::NotEnoughMemory,
                           {{"needed", "9000"}, {"available", "800"}, {"fits", "LoRA"}},
                           {}});
    f->click("trainStart");
    QTRY_COMPARE(f->enginesMade, 2);
    QTRY_COMPARE(f->window->training().job().state(), JobState::Failed);
    QVERIFY(f->told("9000"));
    // And the next one is accepted by the engine that was loaded meanwhile.
    startTraining();
    QCOMPARE(f->enginesMade, 2);
  }

  void createPageMakesPictures() {
    f->makeProject(4);
    f->window->showPage(Page::Create);
    f->shot("create-empty");
    f->retype("prompt", "{subject} on the moon");
    QVERIFY(f->textOf("renderedPrompt").contains("sks dog on the moon"));
    QTRY_COMPARE(f->textOf("promptTokens"), QStringLiteral("5/75 tokens"));
    f->retype("prompt", "a (red:1.3) {subject} BREAK on the {moon|moon}");
    QTRY_COMPARE(f->textOf("promptTokens"), QStringLiteral("78/150 tokens"));
    f->shot("create-tokens");
    f->retype("prompt", "{subject} on the moon");
    const api::JobId job = startGeneration();
    const auto* request = f->engine->lastRequest<api::GenerateRequest>();
    QVERIFY(request);
    QCOMPARE(request->prompt, std::string("{subject} on the moon"));
    QCOMPARE(request->count, std::int64_t{4});
    QVERIFY(request->previewEvery > 0);
    GenerationScript script;
    script.imageSize = 128;
    f->engine->scriptGeneration(job, script);
    QAbstractItemModelTester tester(&f->window->generation().history(),
                                    QAbstractItemModelTester::FailureReportingMode::QtTest);
    f->engine->advance(job, 8);
    f->settle();
    QVERIFY(!f->find<ui::ImageView>("pictureView")->image().isNull());
    QVERIFY(f->find("generateCancel")->isVisible());
    QVERIFY(f->find("generateCancel")->hasFocus());  // the keyboard stays where it was
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->generation().history().rowCount(), 4);
    QVERIFY(f->find("generate")->isVisible());
    QVERIFY(f->find("generate")->hasFocus());
    f->shot("create-done");

    f->dialogs.nextFile = f->path("kept.png");
    f->click("savePicture");
    QImage saved(f->path("kept.png"));
    QCOMPARE(saved.size(), QSize(128, 128));
  }

  void createPageCancelsAndFails() {
    f->makeProject(4);
    api::JobId job = startGeneration();
    f->engine->scriptGeneration(job);
    f->engine->advance(job, 3);
    f->settle();
    f->click("generateCancel");
    QCOMPARE(f->engine->commands(job).stopRequests, 1);
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->generation().job().state(), JobState::Cancelled);
    job = startGeneration();
    GenerationScript script;
    script.failure = api::Error{
        api::ErrorCode::PromptTooLong, {{"prompt", "p"}, {"tokens", "90"}, {"limit", "75"}}, {}};
    f->engine->scriptGeneration(job, script);
    f->engine->playToEnd(job);
    f->settle();
    QCOMPARE(f->window->generation().job().state(), JobState::Failed);
    QVERIFY(f->told("90"));
  }

  void guidanceDrawsRoughlyAndThenFully() {
    f->makeProject(4);
    f->window->showPage(Page::Create);
    f->retype("seed", "77");
    auto* slider = f->find<QSlider>("guidanceSlider");
    slider->setFocus();
    QTest::keyClick(slider, Qt::Key_Right);
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    const auto* rough = f->engine->lastRequest<api::GenerateRequest>();
    QCOMPARE(rough->seed, std::int64_t{77});
    QCOMPARE(rough->count, std::int64_t{1});
    QVERIFY(rough->sampling.steps <= 8);
    QVERIFY(rough->outFolder.empty());
    // A newer move replaces the one under way.
    QTest::keyClick(slider, Qt::Key_Right);
    f->engine->scriptGeneration(1);
    QTRY_VERIFY(f->engine->commands(1).stopRequests > 0);
    f->engine->playToEnd(1);
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{2});
    GenerationScript one;
    one.pictures = 1;
    f->engine->scriptGeneration(2, one);
    f->engine->playToEnd(2);
    f->settle();
    QCOMPARE(f->window->generation().history().rowCount(), 0);  // a rough look is not kept
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{3});
    const auto* full = f->engine->lastRequest<api::GenerateRequest>();
    QCOMPARE(full->seed, std::int64_t{77});
    QVERIFY(full->sampling.steps > 8);
    QVERIFY(!full->outFolder.empty());
    f->engine->scriptGeneration(3, one);
    f->engine->playToEnd(3);
    f->settle();
    QCOMPARE(f->window->generation().history().rowCount(), 1);
  }

  void exportShowsWhatTheCheckFound() {
    f->makeProject(4);
    f->makeRun("0001", 40, 40, true);
    f->window->openProject(f->path("bo.likeness"));
    f->restart();
    f->window->openProject(f->path("bo.likeness"));
    QTRY_COMPARE(f->window->training().runs().size(), std::size_t{1});
    f->window->showPage(Page::Train);
    f->click("trainExport");
    f->dialogs.nextFile = f->path("out.safetensors");
    f->click("exportChoose");
    f->click("exportStart");
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{1});
    const auto* request = f->engine->lastRequest<api::ExportRequest>();
    QVERIFY(request);
    QCOMPARE(request->format, api::ExportFormat::KohyaLora);
    QCOMPARE(ui::fromPath(request->out), f->path("out.safetensors"));
    f->engine->emit(1, api::JobStarted{});
    f->engine->emit(1, api::StageChanged{api::Stage::Verify});
    f->settle();
    QVERIFY(!f->find("exportStart")->isEnabled());
    f->engine->emit(1,
                    api::JobFinished{api::Completed{
                        {}, {{"max_difference", 0.0}, {"bytes", std::int64_t{4096}}}}});
    f->settle();
    QVERIFY(f->textOf("exportOutcome").contains("Largest difference of a test picture: 0"));
    QVERIFY(f->find("exportOpen")->isVisible());
    if (!qEnvironmentVariableIsEmpty("LIKENESS_SCREENSHOTS"))
      f->find("exportDialog")
          ->grab()
          .save(qEnvironmentVariable("LIKENESS_SCREENSHOTS") + "/export.png");
    f->click("exportClose");
  }
};

LIKENESS_UI_TESTS(TestPages)
#include "test_pages.moc"

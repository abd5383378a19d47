// Everything that a request for pictures can hold, through the Create page: by clicks, keys, drops,
// and back from a picture that carries it.
#include <QAction>
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QScrollArea>
#include <QSlider>
#include <QTableView>
#include <QToolButton>

#include "core/config/config.h"
#include "core/image/photo.h"
#include "tests/ui/fixture.h"
#include "ui/util/convert.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/mask_painter.h"

using namespace likeness;
using namespace likeness::support;
using ui::Page;

class TestCreate : public QObject {
  Q_OBJECT
 private:
  std::unique_ptr<WindowFixture> f;

  /// What the engine gets of the page as it is.
  api::GenerateRequest generate() {
    const api::JobId before = f->engine->lastJob();
    f->click("generate");
    if (!f->waitFor([&] { return f->engine->lastJob() > before; })) qFatal("no job was submitted");
    const api::GenerateRequest request = *f->engine->lastRequest<api::GenerateRequest>();
    f->engine->emit(f->engine->lastJob(), api::JobFinished{api::Completed{}});
    f->settle();
    return request;
  }
  QString file(const QString& name, const QByteArray& content) const {
    QFile out(f->path(name));
    if (!out.open(QIODevice::WriteOnly)) qFatal("cannot write %s", qPrintable(name));
    out.write(content);
    return out.fileName();
  }
  QString embedding(const QString& name) const {
    return f->makeWeights(name, {{"emb_params", {2, 768}}});
  }
  QString made(const QString& name, const api::GenerateRequest& request) const {
    if (!image::writePng(
            ui::toPath(f->path(name)), testImage(128, 96), {{"likeness", config::toJson(request)}}))
      qFatal("cannot write %s", qPrintable(name));
    return f->path(name);
  }
  QWidget* page() const { return f->find("pictureView")->parentWidget()->parentWidget(); }
  bool startIsRead() const {
    return f->waitFor([&] { return !f->find<ui::ImageView>("startPicture")->image().isNull(); });
  }
  QString beginFrom(QSize size = {320, 240}) {
    f->click("startFold");
    const QString picture = f->makePhoto("start.png", 3, size);
    f->dialogs.nextPicture = picture;
    f->click("startBrowse");
    if (!startIsRead()) qFatal("the picture was not read");
    return picture;
  }
  static int white(const QImage& mask) {
    int count = 0;
    for (int y = 0; y < mask.height(); ++y)
      for (int x = 0; x < mask.width(); ++x) count += qGray(mask.pixel(x, y)) > 127;
    return count;
  }

 private Q_SLOTS:
  void init() {
    f = std::make_unique<WindowFixture>();
    f->makeProject(1);
    f->window->showPage(Page::Create);
  }
  void cleanup() { f.reset(); }

  void thePlainPathAsksForNothingElse() {
    QVERIFY(!f->find("startPicture")->isVisible());
    const api::GenerateRequest request = generate();
    api::GenerateRequest plain;
    plain.prompt = "{subject}";
    plain.count = 4;
    plain.subject = f->window->project().recipe().subject;
    plain.sampling = f->window->project().recommended().watch.sampling;
    plain.outFolder = f->window->project().project().folder / "outputs";
    plain.previewEvery = request.previewEvery;
    QVERIFY(request == plain);
  }

  void theSamplerThatSuitsTheModelIsFirstAndChosen() {
    auto* sampler = f->find<QComboBox>("sampler");
    QCOMPARE(sampler->currentIndex(), 0);
    QCOMPARE(sampler->currentText(), QString("DPM++ 2M"));
    QCOMPARE(sampler->count(), static_cast<int>(api::kSamplers.size()) + 1);  // and the line
    api::TrainRequest recipe = f->window->project().recipe();
    recipe.watch.sampling = {api::SamplerKind::Lcm, 4, 1.5};
    api::ModelRef other;
    other.path = "other";
    f->window->project().setBase(other, recipe);
    QCOMPARE(sampler->currentIndex(), 0);
    const api::GenerateRequest request = generate();
    QCOMPARE(request.sampling.sampler, api::SamplerKind::Lcm);
    QCOMPARE(request.sampling.steps, std::int64_t{4});
    QCOMPARE(request.sampling.guidance, 1.5);
  }

  void aPictureToBeginWith() {
    const QString picture = beginFrom();
    auto* strength = f->find<QSlider>("startStrengthSlider");
    strength->setFocus();
    QTest::keyClick(strength, Qt::Key_Right);
    api::GenerateRequest request = generate();
    QCOMPARE(ui::fromPath(request.image), picture);
    QCOMPARE(request.strength, 0.76);
    QVERIFY(request.mask.empty());
    f->dialogs.nextPicture = f->makePhoto("mask.png", 9);
    f->click("maskBrowse");
    QTRY_COMPARE(ui::fromPath(generate().mask), f->dialogs.nextPicture);
    f->click("maskRemove");
    f->settle();
    QVERIFY(generate().mask.empty());
    // By drops: a mask on its row, a picture in place of the first.
    QVERIFY(f->drop({f->path("mask.png")}, f->find("maskDrop")));
    f->settle();
    QCOMPARE(ui::fromPath(generate().mask), f->path("mask.png"));
    const QString other = f->makePhoto("other.jpg", 5);
    QVERIFY(f->drop({other}, f->find("startPicture")));
    f->settle();
    request = generate();
    QCOMPARE(ui::fromPath(request.image), other);
    QVERIFY(request.mask.empty());  // it was the other picture's
    f->click("startFold");
    QVERIFY(f->textOf("startFoldSummary").contains("other.jpg"));
    f->click("startFold");
    f->click("startRemove");
    QVERIFY(generate().image.empty());
  }

  void whatIsNoPictureIsASentence() {
    const QString picture = beginFrom();
    QVERIFY(f->drop({file("notes.md", "no picture")}, f->find("startPicture")));
    QTRY_VERIFY(f->told("notes.md"));
    f->settle();
    QCOMPARE(ui::fromPath(generate().image), picture);  // what was there stays
    f->dialogs.nextPicture = file("broken.png", "\x89PNG");
    f->click("maskBrowse");
    QTRY_VERIFY(f->told("broken.png"));
    f->settle();
    QVERIFY(generate().mask.empty());
  }

  void aMaskIsPaintedByMouse() {
    beginFrom({400, 200});
    f->click("maskPaint");
    auto* canvas = f->find("maskCanvas");
    QVERIFY(canvas->isVisible());
    QVERIFY(!f->find("pictureView")->isVisible());
    QVERIFY(!f->find("maskUndo")->isEnabled());
    const QPoint centre = canvas->rect().center();
    QTest::mousePress(canvas, Qt::LeftButton, {}, centre - QPoint(40, 0));
    QTest::mouseMove(canvas, centre + QPoint(40, 0));
    QTest::mouseRelease(canvas, Qt::LeftButton, {}, centre + QPoint(40, 0));
    auto* painter = static_cast<ui::MaskPainter*>(canvas->parentWidget());
    const int stroke = white(painter->mask());
    QVERIFY(stroke > 100);
    f->shot("create-painter");
    QTest::mouseClick(canvas, Qt::RightButton, {}, centre);  // erases
    QVERIFY(white(painter->mask()) < stroke);
    f->click("maskUndo");
    QCOMPARE(white(painter->mask()), stroke);
    f->click("maskClear");
    QVERIFY(painter->mask().isNull());
    f->click("maskUndo");
    f->click("maskDone");
    QVERIFY(f->find("pictureView")->isVisible());
    f->settle();
    const api::GenerateRequest request = generate();
    const QDir outputs(f->path("bo.likeness/outputs/masks"));
    QCOMPARE(ui::fromPath(request.mask.parent_path()), outputs.path());
    const QImage mask(ui::fromPath(request.mask));
    QCOMPARE(mask.size(), QSize(400, 200));
    QVERIFY(mask.isGrayscale());
    QCOMPARE(white(mask), stroke);
    QCOMPARE(qGray(mask.pixel(200, 100)), 255);
    QCOMPARE(qGray(mask.pixel(5, 5)), 0);
    // It can be painted on; the one that pictures were made with stays.
    f->click("maskPaint");
    QTest::mouseClick(canvas, Qt::LeftButton, {}, centre + QPoint(0, canvas->height() / 5));
    const api::GenerateRequest next = generate();  // generating keeps what was painted
    QVERIFY(next.mask != request.mask);
    QVERIFY(white(QImage(ui::fromPath(next.mask))) > stroke);
    QCOMPARE(outputs.entryList(QDir::Files).size(), 2);
    QVERIFY(f->find("pictureView")->isVisible());
  }

  void anotherPictureEndsThePainting() {
    beginFrom();
    f->click("maskPaint");
    QVERIFY(f->find("maskCanvas")->hasFocus());
    QVERIFY(f->drop({f->makePhoto("other.png", 6)}, f->find("startPicture")));
    QVERIFY(f->find("pictureView")->isVisible());
    f->settle();
    f->click("maskPaint");
    QTest::keyClick(f->find("maskCanvas"), Qt::Key_Escape);
    QVERIFY(f->find("pictureView")->isVisible());
    f->settle();
    QVERIFY(generate().mask.empty());  // nothing was painted
  }

  void lorasAndEmbeddingsArePutOnTheModel() {
    f->click("extrasFold");
    f->dialogs.nextModels = {f->makeLora("a.safetensors"), embedding("zorgel.safetensors")};
    f->click("extrasAdd");
    QTRY_VERIFY(f->window->findChild<QWidget*>("embedding0Insert"));
    QVERIFY(f->drop({f->makeLora("b.safetensors")}, page()));
    QTRY_VERIFY(f->window->findChild<QWidget*>("adapter1Remove"));
    QVERIFY(f->drop({f->path("b.safetensors")}, page()));  // twice is once
    f->settle();
    auto* strength = f->find<QSlider>("adapter1StrengthSlider");
    strength->setFocus();
    QTest::keyClick(strength, Qt::Key_Left);
    api::GenerateRequest request = generate();
    const std::vector<api::AdapterRef> two{{ui::toPath(f->path("a.safetensors")), 1},
                                           {ui::toPath(f->path("b.safetensors")), 0.95}};
    QVERIFY(request.adapters == two);
    QCOMPARE(request.embeddings,
             std::vector<std::string>{ui::toStd(f->path("zorgel.safetensors"))});
    QVERIFY(f->textOf("embedding0Name").contains("zorgel"));
    f->retype("prompt", "a ");
    f->click("embedding0Insert");
    QCOMPARE(f->textOf("prompt"), QString("a zorgel"));
    QVERIFY(!f->find("adapter0Up")->isVisible());
    f->click("adapter1Up");
    request = generate();
    QCOMPARE(request.adapters.front(), two.back());
    f->click("extrasFold");
    QVERIFY(f->textOf("extrasFoldSummary").contains("2 LoRA"));
    f->click("extrasFold");
    f->click("adapter0Remove");
    f->click("embedding0Remove");
    request = generate();
    QVERIFY(request.adapters == std::vector<api::AdapterRef>{two.front()});
    QVERIFY(request.embeddings.empty());
  }

  void whatIsNoLoraIsASentence() {
    QVERIFY(f->drop({f->makeWeights("x.safetensors", {{"x", {2}}})}, page()));
    QTRY_VERIFY(f->told("x.safetensors” cannot be put on a model"));
    QVERIFY(f->drop({file("bad.safetensors", "hostile header")}, page()));
    QTRY_VERIFY(f->told("bad.safetensors"));
    QVERIFY(generate().adapters.empty());
  }

  void severalPromptsStandInForTheOne() {
    f->click("promptsFold");
    f->dialogs.nextText =
        file("scenes.txt", "\xEF\xBB\xBF# scenes\r\na dog\r\n\r\n  a {subject} \r\n");
    f->click("promptsLoad");
    QTRY_VERIFY(!f->find<QPlainTextEdit>("prompts")->toPlainText().isEmpty());
    QVERIFY(f->textOf("renderedPrompt").contains("2 prompt"));
    api::GenerateRequest request = generate();
    QCOMPARE(request.prompts, (std::vector<std::string>{"a dog", "a {subject}"}));
    QVERIFY(request.prompt.empty());
    f->type("prompts", "a cat");  // before the #
    QCOMPARE(generate().prompts.front(), std::string("a cat# scenes"));
    f->find<QPlainTextEdit>("prompts")->clear();
    QCOMPARE(generate().prompt, std::string("{subject}"));
    // Over the field, too, files are no words.
    QWidget* field = f->find<QPlainTextEdit>("prompts")->viewport();
    QVERIFY(f->drop({f->makeLora("a.safetensors")}, field));
    QTRY_VERIFY(f->window->findChild<QWidget*>("adapter0Name"));
    QVERIFY(f->find<QPlainTextEdit>("prompts")->toPlainText().isEmpty());
    QVERIFY(f->drop({f->path("scenes.txt")}, field));
    QTRY_COMPARE(f->find<QPlainTextEdit>("prompts")->toPlainText().count('\n'), 3);
    for (const auto& [name, content] : {std::pair("latin.txt", QByteArray("caf\xE9")),
                                        std::pair("none.txt", QByteArray("# \n"))}) {
      QVERIFY(f->drop({file(name, content)}, page()));
      QTRY_VERIFY(f->told(name));
    }
    QVERIFY(!f->find<QPlainTextEdit>("prompts")->toPlainText().contains("caf"));
    // The rough look draws one of them, and no second pass.
    f->find<QSlider>("hiresScaleSlider")->setValue(4);
    auto* guidance = f->find<QSlider>("guidanceSlider");
    guidance->setFocus();
    const api::JobId before = f->engine->lastJob();
    QTest::keyClick(guidance, Qt::Key_Right);
    QTRY_VERIFY(f->engine->lastJob() > before);
    const auto* rough = f->engine->lastRequest<api::GenerateRequest>();
    QCOMPARE(rough->prompt, std::string("a dog"));
    QVERIFY(rough->prompts.empty());
    QCOMPARE(rough->hiresScale, 1.0);
  }

  void sizesAreWritten() {
    auto* size = f->find<QComboBox>("size");
    QCOMPARE(generate().width, std::int64_t{0});
    for (const auto& [text, wanted] : {std::pair("640x448", QSize(640, 448)),
                                       std::pair("320", QSize(320, 320)),
                                       std::pair("100 * 60", QSize(104, 64)),
                                       std::pair("large", QSize(0, 0))}) {
      size->lineEdit()->setFocus();
      size->lineEdit()->selectAll();
      QTest::keyClicks(size->lineEdit(), text);
      QTest::keyClick(size->lineEdit(), Qt::Key_Tab);
      const api::GenerateRequest request = generate();
      QCOMPARE(QSize(static_cast<int>(request.width), static_cast<int>(request.height)), wanted);
    }
    QCOMPARE(size->currentText(), QString("As the model"));
  }

  void theSecondPassAndTheExpertOptions() {
    f->click("hiresFold");
    auto* scale = f->find<QSlider>("hiresScaleSlider");
    scale->setFocus();
    for (int i = 0; i < 4; ++i) QTest::keyClick(scale, Qt::Key_Right);
    auto* strength = f->find<QSlider>("hiresStrengthSlider");
    strength->setFocus();
    QTest::keyClick(strength, Qt::Key_Left);
    f->click("createExpert");
    auto* skip = f->find<QDoubleSpinBox>("option:sampling.clipSkip");
    skip->setFocus();
    QTest::keyClick(skip, Qt::Key_Up);
    auto* syntax = f->find<QComboBox>("option:promptSyntax");
    syntax->setFocus();
    QTest::keyClick(syntax, Qt::Key_Down);
    f->retype("negativePrompt", "blur");
    const api::GenerateRequest request = generate();
    QCOMPARE(request.hiresScale, 2.0);
    QCOMPARE(request.hiresStrength, 0.49);
    QCOMPARE(request.sampling.clipSkip, std::int64_t{2});
    QCOMPARE(request.promptSyntax, api::PromptSyntax::Plain);
    QCOMPARE(request.negativePrompt, std::string("blur"));
    f->click("createExpert");
    f->click("hiresFold");
    QCOMPARE(f->textOf("createExpertSummary"), QString("2 changed"));
    QCOMPARE(f->textOf("hiresFoldSummary"), QString("2 times"));
  }

  void aPictureBringsItsSettingsBack() {
    api::GenerateRequest request;
    request.model = f->window->project().recipe().base;
    request.subject = f->window->project().recipe().subject;
    request.prompt = "sks dog, (red:1.2)";
    request.promptTemplate = "{subject}, (red:1.2)";
    request.negativePrompt = "blur";
    request.adapters = {{ui::toPath(f->makeLora("a.safetensors")), -3.5}};
    request.embeddings = {ui::toStd(embedding("word.safetensors"))};
    request.promptSyntax = api::PromptSyntax::Plain;
    request.sampling = {api::SamplerKind::Euler, 17, 3.5, true};
    request.sampling.clipSkip = 2;
    request.sampling.guidanceRescale = 0.5;
    request.seed = 4711;
    request.width = 192, request.height = 128;
    request.image = ui::toPath(f->makePhoto("start.png", 3));
    request.mask = ui::toPath(f->makePhoto("mask.png", 4));
    request.strength = 0.3;
    request.hiresScale = 1.5;
    request.hiresStrength = 0.25;
    request.grid = true;
    QVERIFY(f->drop({made("made.png", request)}, page()));
    QTRY_VERIFY(f->told("made.png"));
    f->settle();
    api::GenerateRequest again = generate();
    api::GenerateRequest wanted = request;
    wanted.prompt = std::exchange(wanted.promptTemplate, {});
    wanted.outFolder = again.outFolder;
    wanted.previewEvery = again.previewEvery;
    QVERIFY(again == wanted);
    QCOMPARE(generate().seed, request.seed);  // and it is kept

    // Of another model and another subject: the words as they were, the weights as they are.
    request.subject.classWord = "cat";
    request.model.path = ui::toStd(f->path("elsewhere"));
    request.prompts = {"one", "two"};
    request.prompt.clear();
    QVERIFY(f->drop({made("other.png", request)}, page()));
    f->settle();
    again = generate();
    QCOMPARE(again.prompts, request.prompts);
    QCOMPARE(again.model, wanted.model);
    request.prompts.clear();
    request.prompt = "sks cat";
    QVERIFY(f->drop({made("third.png", request)}, page()));
    f->settle();
    QCOMPARE(generate().prompt, std::string("sks cat"));
  }

  void theWeightsOfARunComeBack() {
    f->makeRun("0001", 40, 40);
    f->window->openProject(f->path("bo.likeness"));
    f->restart();
    f->window->openProject(f->path("bo.likeness"));
    f->window->showPage(Page::Create);
    QTRY_COMPARE(f->find<QComboBox>("weights")->count(), 2);
    f->find<QComboBox>("weights")->setCurrentIndex(0);
    api::GenerateRequest request = generate();
    request.model = {ui::toStd(f->path("bo.likeness/runs/0001")), "40"};
    QVERIFY(f->drop({made("made.png", request)}, page()));
    f->settle();
    QCOMPARE(generate().model.path, request.model.path);
  }

  void aMadePictureIsBegunFrom() {
    const api::GenerateRequest request = generate();
    const QString picture = made("1.png", request);
    f->click("generate");
    QTRY_COMPARE(f->engine->lastJob(), api::JobId{2});
    f->engine->emit(2,
                    api::PictureReady{api::PictureKind::Result,
                                      testImage(64, 64),
                                      ui::toPath(picture),
                                      0,
                                      0,
                                      1,
                                      "sks dog",
                                      7});
    f->settle();
    QCOMPARE(f->window->generation().history().rowCount(), 1);
    f->trigger("beginFromPicture");
    QVERIFY(startIsRead());
    QVERIFY(f->find("startPicture")->isVisible());
    f->engine->emit(2, api::JobFinished{api::Completed{}});
    f->settle();
    QCOMPARE(ui::fromPath(generate().image), picture);
    f->retype("prompt", "something else");
    f->trigger("useSettings");
    QTRY_COMPARE(f->textOf("prompt"), QString("{subject}"));
    f->settle();
    QVERIFY(generate().image.empty());
    // A picture that tells nothing is one to begin from, too.
    QVERIFY(f->drop({f->makePhoto("photo.jpg", 8)}, page()));
    QTRY_COMPARE(ui::fromPath(generate().image), f->path("photo.jpg"));
  }

  void aSampleIsBegunFrom() {
    auto* matrix = f->find<QTableView>("sampleMatrix");
    const QString sample = f->makePhoto("sample.png", 7);
    f->window->training().samples().append({QImage(sample), sample, "step 10", "sks dog", 1});
    f->window->showPage(Page::Train);
    matrix->setCurrentIndex(matrix->model()->index(0, 0));
    matrix->actions().first()->trigger();
    QCOMPARE(f->window->currentPage(), Page::Create);
    QVERIFY(startIsRead());
    QCOMPARE(ui::fromPath(generate().image), sample);
  }

  void severalPicturesArePhotos() {
    QVERIFY(f->drop({f->makePhoto("x.png", 30), f->makePhoto("y.png", 31)}, page()));
    QTRY_COMPARE(f->window->photos().rowCount(), 3);
    QCOMPARE(f->window->currentPage(), Page::Photos);
  }

  void anotherProjectBeginsAnew() {
    beginFrom();
    f->click("maskPaint");
    f->dialogs.nextProject = f->path("second");
    f->trigger("actionNew");
    f->window->showPage(Page::Create);
    QVERIFY(f->find("pictureView")->isVisible());
    QVERIFY(generate().image.empty());
  }

  void everyFoldFitsItsColumn() {
    beginFrom();
    for (const char* fold : {"extrasFold", "promptsFold", "hiresFold", "createExpert"})
      f->click(fold);
    f->dialogs.nextModels = {f->makeLora(QString(90, 'n') + ".safetensors"),
                             embedding(QString(90, 'm') + ".safetensors")};
    f->click("extrasAdd");
    QTRY_VERIFY(f->window->findChild<QWidget*>("embedding0Insert"));
    f->dialogs.nextPicture = f->makePhoto(QString(90, 'p') + ".png", 2);
    f->click("maskBrowse");
    f->settle();
    f->window->resize(f->window->minimumSize());
    f->settle();
    f->shot("create-all-open");
    QWidget* inside = f->find<QScrollArea>("createScroll")->viewport();
    for (auto* widget : inside->findChildren<QWidget*>()) {
      if (!widget->isVisible()) continue;
      QVERIFY2(widget->mapTo(inside, QPoint(widget->width(), 0)).x() <= inside->width(),
               qPrintable(widget->objectName() + widget->metaObject()->className()));
      // What is written on a button is not cut.
      if (auto* button = qobject_cast<QAbstractButton*>(widget))
        QVERIFY2(button->width() >= button->minimumSizeHint().width(),
                 qPrintable(button->objectName()));
    }
    for (auto* box : inside->findChildren<QDoubleSpinBox*>())
      QVERIFY2(!box->isVisible() || !box->objectName().startsWith("option:") ||
                   box->width() >= box->sizeHint().width(),
               qPrintable(box->objectName()));
  }
};

LIKENESS_UI_TESTS(TestCreate)
#include "test_create.moc"

// Pieces without a window: the option form against the field tables, conversions, colours, words,
// errors.
#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QFile>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QSlider>
#include <QTemporaryDir>
#include <QToolButton>
#include <cmath>

#include "core/api/requests.h"
#include "tests/ui/fixture.h"
#include "ui/util/convert.h"
#include "ui/util/curve_table.h"
#include "ui/util/icons.h"
#include "ui/util/option_fields.h"
#include "ui/util/palette.h"
#include "ui/util/texts.h"
#include "ui/widgets/flow_layout.h"
#include "ui/widgets/loss_plot.h"
#include "ui/widgets/mask_painter.h"
#include "ui/widgets/option_form.h"
#include "ui/widgets/parts.h"
#include "ui/widgets/timestep_plot.h"
#include "ui/widgets/value_slider.h"

using namespace likeness;
using namespace likeness::support;

namespace {

/// Another value that the field allows.
api::FieldValue otherValue(const ui::OptionField& field, const api::FieldValue& now) {
  const api::FieldInfo& info = *field.info;
  switch (info.kind) {
    case api::FieldKind::Boolean:
      return !std::get<bool>(now);
    case api::FieldKind::Integer: {
      const auto value = std::get<std::int64_t>(now);
      return static_cast<double>(value + 8) <= info.max ? value + 8 : value - 8;
    }
    case api::FieldKind::Number: {
      const double value = std::get<double>(now);
      const double step = info.step > 0 ? info.step : 0.5;
      return value + step <= info.max ? value + step : value - step;
    }
    case api::FieldKind::Choice: {
      for (const std::string_view choice : info.choices)
        if (choice != std::get<std::string>(now)) return std::string(choice);
      return now;
    }
    case api::FieldKind::TextList:
      return std::vector<std::string>{"one", "two words"};
    case api::FieldKind::Text:
    case api::FieldKind::Path:
      return std::string("something else");
  }
  return now;
}

/// Enters a value into the editor as a person would leave it.
void enter(QWidget* editor, const api::FieldValue& value) {
  if (auto* box = qobject_cast<QCheckBox*>(editor)) {
    box->click();
  } else if (auto* spin = qobject_cast<QDoubleSpinBox*>(editor)) {
    const double number = std::holds_alternative<double>(value)
                              ? std::get<double>(value)
                              : static_cast<double>(std::get<std::int64_t>(value));
    spin->selectAll();
    QTest::keyClicks(spin, QString::number(number, 'g', 12));
    QTest::keyClick(spin, Qt::Key_Return);
  } else if (auto* combo = qobject_cast<QComboBox*>(editor)) {
    combo->setCurrentIndex(combo->findData(ui::fromStd(std::get<std::string>(value))));
  } else if (auto* line = qobject_cast<QLineEdit*>(editor)) {
    line->selectAll();
    QTest::keyClicks(line, ui::fromStd(std::get<std::string>(value)));
    QTest::keyClick(line, Qt::Key_Return);
  } else if (auto* text = qobject_cast<QPlainTextEdit*>(editor)) {
    QStringList lines;
    for (const std::string& entry : std::get<std::vector<std::string>>(value))
      lines << ui::fromStd(entry);
    text->setPlainText(lines.join('\n'));
  }
}

double luminance(const QColor& colour) {
  const auto linear = [](double c) {
    return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) +
         0.0722 * linear(colour.blueF());
}
double contrast(const QColor& a, const QColor& b) {
  const double la = luminance(a), lb = luminance(b);
  return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

}  // namespace

class TestParts : public QObject {
  Q_OBJECT
  template <class Request>
  void goThroughTheForm(const std::vector<ui::OptionField>& options, int row) {
    const ui::OptionField& field = options[static_cast<std::size_t>(row)];
    ui::OptionForm form(options);
    form.show();
    Request request;
    connect(&form,
            &ui::OptionForm::edited,
            this,
            [&](const QString& path, const api::FieldValue& value) {
              QVERIFY(ui::writeOption(request, ui::toStd(path), value));
            });
    form.setRequest(request, request);
    auto* editor = form.findChild<QWidget*>("option:" + ui::fromStd(field.path));
    QVERIFY(editor);
    QVERIFY(!editor->accessibleName().isEmpty());
    QVERIFY(!editor->toolTip().isEmpty());
    const api::FieldValue before = ui::readOption(request, field.path);
    const api::FieldValue wanted = otherValue(field, before);
    QVERIFY(!(wanted == before));
    enter(editor, wanted);
    const api::FieldValue got = ui::readOption(request, field.path);
    if (const auto* number = std::get_if<double>(&wanted)) {
      QVERIFY2(std::abs(std::get<double>(got) - *number) <= 1e-9 * std::abs(*number),
               qPrintable(QString::number(std::get<double>(got), 'g', 17)));
    } else {
      QVERIFY(got == wanted);
    }
    // Only this one changed, and the arrow leads back.
    Request back = request;
    QVERIFY(ui::writeOption(back, field.path, before));
    QCOMPARE(back == Request{}, true);
    auto* reset = form.findChild<QToolButton*>("reset:" + ui::fromStd(field.path));
    QVERIFY(reset->isVisible());
    reset->click();
    QCOMPARE(request == Request{}, true);
    QVERIFY(!reset->isVisible());
  }

 private Q_SLOTS:
  void everyOptionGoesThroughTheForm_data() {
    QTest::addColumn<bool>("training");
    QTest::addColumn<int>("row");
    for (std::size_t i = 0; i < ui::trainOptions().size(); ++i)
      QTest::newRow(ui::trainOptions()[i].path.c_str()) << true << static_cast<int>(i);
    for (std::size_t i = 0; i < ui::generateOptions().size(); ++i)
      QTest::newRow(("pictures " + ui::generateOptions()[i].path).c_str())
          << false << static_cast<int>(i);
  }
  void everyOptionGoesThroughTheForm() {
    QFETCH(bool, training);
    QFETCH(int, row);
    if (training)
      goThroughTheForm<api::TrainRequest>(ui::trainOptions(), row);
    else
      goThroughTheForm<api::GenerateRequest>(ui::generateOptions(), row);
  }

  void theFormShowsARequestWithoutReportingIt() {
    ui::OptionForm form(ui::trainOptions());
    QSignalSpy edited(&form, &ui::OptionForm::edited);
    api::TrainRequest request;
    for (const ui::OptionField& field : ui::trainOptions())
      ui::writeOption(request, field.path, otherValue(field, ui::readOption(request, field.path)));
    form.setRequest(request, api::TrainRequest{});
    QCOMPARE(edited.count(), 0);
    QCOMPARE(form.paths().size(), static_cast<qsizetype>(ui::trainOptions().size()));
  }

  void theFormMarksProblemsAndFinds() {
    ui::OptionForm form(ui::trainOptions());
    api::TrainRequest request;
    request.training.learningRate = 7;
    request.photos = {{"a.png", {}, {}, false}};
    request.subject.classWord = "dog";
    form.setRequest(request, api::TrainRequest{});
    form.setProblems(api::validate(request));
    const auto marked = [&] {
      int count = 0;
      for (auto* label : form.findChildren<QLabel*>())
        count += label->property("tone").toString() == "error";
      return count;
    };
    QCOMPARE(marked(), 1);
    form.setProblems({});
    QCOMPARE(marked(), 0);
    form.show();
    QTest::keyClicks(form.findChild<QLineEdit*>("optionSearch"), "rank");
    QVERIFY(form.findChild<QWidget*>("option:lora.rank")->isVisible());
    QVERIFY(!form.findChild<QWidget*>("option:training.seed")->isVisible());
  }

  void picturesShareTheirBytes() {
    api::Image image = testImage(5, 3, 2);
    const QImage shown = ui::toQImage(image);
    QCOMPARE(shown.size(), QSize(5, 3));
    QCOMPARE(static_cast<const void*>(shown.constBits()), static_cast<const void*>(image.data()));
    const QRgb corner = shown.pixel(4, 2);
    QCOMPARE(qRed(corner), static_cast<int>(image.data()[(2 * 5 + 4) * 3]));
    const std::weak_ptr<const std::vector<std::uint8_t>> bytes = image.bytes;
    image = {};
    QVERIFY(!bytes.expired());
    QVERIFY(ui::toQImage({}).isNull());
  }

  void pathsKeepEveryLetter() {
    const QString path = QString::fromUtf8("/tmp dir/Жучка ñ 犬.png").mid(1);
    QCOMPARE(ui::fromPath(ui::toPath(path)), path);
    QCOMPARE(ui::fromStd(ui::toStd(path)), path);
  }

  void textHasContrast_data() {
    QTest::addColumn<int>("theme");
    QTest::newRow("light") << static_cast<int>(ui::Theme::Light);
    QTest::newRow("dark") << static_cast<int>(ui::Theme::Dark);
    QTest::newRow("high contrast") << static_cast<int>(ui::Theme::HighContrast);
  }
  void textHasContrast() {
    QFETCH(int, theme);
    const ui::Colours& c = ui::Palette::set(static_cast<ui::Theme>(theme));
    for (const QColor& ground : {c.window, c.surface, c.sunken}) {
      QVERIFY(contrast(c.text, ground) >= 7);
      QVERIFY2(contrast(c.muted, ground) >= 4.5, qPrintable(ground.name()));
      for (const QColor& tone : {c.accent, c.warning, c.error, c.success})
        QVERIFY2(contrast(tone, ground) >= 4.5, qPrintable(tone.name() + " on " + ground.name()));
    }
    QVERIFY(contrast(c.onAccent, c.accent) >= 4.5);
    QVERIFY(contrast(c.text, c.accentSoft) >= 7);
    QVERIFY(contrast(c.muted, c.accentSoft) >= 4.5);
    QVERIFY(contrast(c.classCurve, c.surface) >= 4.5);
    QVERIFY(contrast(c.neutralCurve, c.surface) >= 3);
    for (const QColor& curve : c.more)
      QVERIFY2(contrast(curve, c.surface) >= 4.5, qPrintable(curve.name()));
  }

  void themesSwitchTheWholeApplication() {
    ui::Palette& palette = ui::Palette::instance();
    const ui::Theme before = palette.theme();
    palette.setTheme(ui::Theme::Dark);
    QVERIFY(ui::Palette::colours().dark);
    QCOMPARE(QApplication::palette().color(QPalette::Window), ui::Palette::colours().window);
    // Every name in the style sheet was filled in.
    QVERIFY(!qApp->styleSheet().isEmpty());
    QVERIFY(!QRegularExpression("@[a-zA-Z]").match(qApp->styleSheet()).hasMatch());
    palette.setTheme(before);
  }

  void coloursStandInOnePlaceOnly() {
    const QRegularExpression literal("#[0-9a-fA-F]{6}\\b|#[0-9a-fA-F]{3}\\b");
    QFile sheet(":/styles/likeness.qss");
    QVERIFY(sheet.open(QIODevice::ReadOnly));
    QVERIFY(!literal.match(QString::fromUtf8(sheet.readAll())).hasMatch());
  }

  void everyErrorHasWords() {
    for (const api::ErrorCode code : api::allErrorCodes()) {
      const api::Error error{
          code, {{"file", "a{b}.png"}, {"folder", "dir"}, {"key", "steps"}}, "inner"};
      const ui::ErrorText text = ui::Texts::forError(error);
      QVERIFY2(!text.sentence.isEmpty(), api::name(code).data());
      QCOMPARE(text.detail, QString("inner"));
      QCOMPARE(text.sentence, ui::fromStd(api::message(error)));
      QCOMPARE(text.hint, ui::fromStd(api::hint(error)));
    }
  }

  void timesAreRoundedAsPeopleSay() {
    QCOMPARE(ui::Texts::duration(0), QString());
    QCOMPARE(ui::Texts::duration(-3), QString());
    QCOMPARE(ui::Texts::duration(std::nan("")), QString());
    QCOMPARE(ui::Texts::duration(1), QString("about 5 s"));
    QCOMPARE(ui::Texts::duration(38), QString("about 40 s"));
    QCOMPARE(ui::Texts::duration(200), QString("about 4 min"));
    QCOMPARE(ui::Texts::duration(9000), QString("about 2.5 h"));
  }

  void everyIconIsThere() {
    for (const char* name :
         {"photos",        "train",        "create",   "add",        "remove",  "warning",
          "error",         "check",        "info",     "folder",     "dice",    "lock",
          "unlock",        "save",         "export",   "stop",       "reset",   "arrow-right",
          "chevron-right", "chevron-down", "eye-off",  "brush",      "erase",   "move-up",
          "undo",          "arrow-left",   "arrow-up", "arrow-down", "zoom-all"}) {
      const QImage drawn = ui::icon(name).pixmap(20, 20).toImage();
      bool ink = false;
      for (int i = 0; i < drawn.width() * drawn.height(); ++i)
        ink = ink || qAlpha(drawn.pixel(i % drawn.width(), i / drawn.width())) > 0;
      QVERIFY2(ink, name);
    }
  }

  void longNamesAreCutAndShownWhole() {
    ui::ElidedLabel label(QString(200, 'x'));
    label.resize(120, 20);
    label.show();
    QVERIFY(label.text().size() < 60);
    QCOMPARE(label.toolTip().size(), 200);
    label.setFullText("short");
    QCOMPARE(label.text(), QString("short"));
    QVERIFY(label.toolTip().isEmpty());
  }

  void noiseLevelsAreToldInWords_data() {
    QTest::addColumn<bool>("logit");
    QTest::addColumn<double>("mean");
    QTest::addColumn<int>("from");
    QTest::addColumn<int>("to");
    QTest::addColumn<QString>("words");
    QTest::newRow("uniform") << false << 0.0 << 0 << 1000 << "All noise levels alike";
    QTest::newRow("middle") << true << 0.0 << 0 << 1000 << "Mostly middle noise levels";
    QTest::newRow("noisy") << true << 1.5 << 0 << 1000 << "Mostly high noise levels";
    QTest::newRow("clear") << true << -1.5 << 0 << 1000 << "Mostly low noise levels";
    QTest::newRow("rather") << true << 0.6 << 0 << 1000 << "More high noise levels than others";
    QTest::newRow("range") << false << 0.0 << 0 << 200
                           << "Mostly low noise levels, from 0 to 200 of 1000";
    QTest::newRow("none") << false << 0.0 << 500 << 500 << "No noise level is left to train";
  }
  void noiseLevelsAreToldInWords() {
    QFETCH(bool, logit);
    QFETCH(double, mean);
    QFETCH(int, from);
    QFETCH(int, to);
    QFETCH(QString, words);
    api::LossOptions loss;
    if (logit) loss.timesteps = api::TimestepDistribution::LogitNormal;
    loss.timestepMean = mean;
    loss.timestepMin = from;
    loss.timestepMax = to;
    ui::TimestepPlot plot;
    plot.setLoss(loss);
    QCOMPARE(plot.accessibleDescription(), words);
    plot.resize(plot.sizeHint());
    plot.grab();
  }

  void linesAreBrokenWhereTheyEnd() {
    QWidget box;
    auto* flow = new ui::FlowLayout(4);
    box.setLayout(flow);
    for (int i = 0; i < 3; ++i) {
      auto* piece = new QWidget;
      piece->setFixedSize(100, 20);
      flow->addWidget(piece);
    }
    QCOMPARE(flow->heightForWidth(400), 20);
    QCOMPARE(flow->heightForWidth(210), 44);
    QCOMPARE(flow->heightForWidth(50), 68);
    flow->itemAt(0)->widget()->hide();
    QCOMPARE(flow->heightForWidth(210), 20);
  }

  void curvesBecomeATable() {
    QCOMPARE(ui::curveTable({{"subject", {{1, 0.5}, {2, 0.1}}}, {"a \"b\"", {{2, 3}}}}),
             QByteArray("step,\"subject\",\"a \"\"b\"\"\"\n1,0.5,\n2,0.1,3\n"));
    QCOMPARE(ui::curveTable({}), QByteArray("step\n"));
  }

  void sliderAndNumberAgree() {
    ui::ValueSlider slider("value", 1, 50, 0.1, 15);
    QSignalSpy edited(&slider, &ui::ValueSlider::edited);
    slider.setValue(7.5);
    QCOMPARE(edited.count(), 0);
    auto* number = slider.findChild<QDoubleSpinBox*>("valueNumber");
    QCOMPARE(number->value(), 7.5);
    number->setValue(20);  // further than the slider reaches
    QCOMPARE(slider.value(), 20.0);
    QCOMPARE(edited.count(), 1);
    auto* handle = slider.findChild<QSlider*>("valueSlider");
    QTest::keyClick(handle, Qt::Key_Left);
    QVERIFY(std::abs(slider.value() - 14.9) < 1e-9);
  }

  void aMaskIsPaintedByKeys() {
    ui::MaskPainter painter;
    painter.resize(400, 400);
    painter.begin(ui::toQImage(testImage(200, 200)), {});
    painter.show();
    auto* canvas = painter.findChild<QWidget*>("maskCanvas");
    const auto white = [&] {
      const QImage mask = painter.mask();
      int count = 0;
      for (int y = 0; y < mask.height(); ++y)
        for (int x = 0; x < mask.width(); ++x) count += qGray(mask.pixel(x, y)) > 127;
      return count;
    };
    QTest::keyClick(canvas, Qt::Key_Space);
    const int dab = white();
    QVERIFY(dab > 0);
    QTest::keyPress(canvas, Qt::Key_Space);
    for (int i = 0; i < 8; ++i) QTest::keyClick(canvas, Qt::Key_Right);
    QTest::keyRelease(canvas, Qt::Key_Space);
    QVERIFY(white() > dab);
    QTest::keyClick(canvas, Qt::Key_Z, Qt::ControlModifier);
    QCOMPARE(white(), dab);
    // A larger brush erases all of it.
    QTest::keyClick(canvas, Qt::Key_E);
    QVERIFY(painter.findChild<QToolButton*>("maskErase")->isChecked());
    for (int i = 0; i < 30; ++i) QTest::keyClick(canvas, Qt::Key_BracketRight);
    QTest::keyClick(canvas, Qt::Key_Space);
    QVERIFY(painter.mask().isNull());
    QSignalSpy done(&painter, &ui::MaskPainter::done);
    QTest::keyClick(canvas, Qt::Key_Escape);
    QCOMPARE(done.count(), 1);
    // Nothing is written without a mask, and what cannot be written is an error.
    QTemporaryDir folder;
    QCOMPARE(painter.save(folder.path()).value(), QString());
    QVERIFY(QDir(folder.path()).isEmpty());
    QImage mask(20, 20, QImage::Format_Grayscale8);
    mask.fill(255);
    painter.begin(ui::toQImage(testImage(200, 100)), mask);
    QCOMPARE(QImage(painter.save(folder.filePath("new/masks")).value()).size(), QSize(200, 100));
    QFile file(folder.filePath("file"));
    QVERIFY(file.open(QIODevice::WriteOnly));
    const auto refused = painter.save(folder.filePath("file/masks"));
    QVERIFY(!refused.has_value());
    QCOMPARE(refused.error().code, api::ErrorCode::FileUnwritable);
  }

  void thePlotKeepsItsPoints() {
    ui::LossPlot plot;
    plot.resize(400, 300);
    plot.append(api::Series::SubjectLoss, {{1, 0.5}, {2, 0.25}});
    plot.append(api::Series::SubjectLoss, {{3, 0.125}});
    QCOMPARE(plot.pointCount(api::Series::SubjectLoss), 3);
    QCOMPARE(plot.pointCount(api::Series::GradNorm), 0);
    plot.append(api::Series::SubjectLoss, {{4, std::nan("")}, {5, 0.1}});  // what is no number
    QCOMPARE(plot.pointCount(api::Series::SubjectLoss), 4);
    plot.setSmoothing(0);
    plot.setLogScale(true);
    plot.addCheckpoint(2);
    QCOMPARE(plot.pointCount(api::Series::SubjectLoss), 4);
    plot.clear();
    QCOMPARE(plot.pointCount(api::Series::SubjectLoss), 0);
  }
};

LIKENESS_UI_TESTS(TestParts)
#include "test_parts.moc"

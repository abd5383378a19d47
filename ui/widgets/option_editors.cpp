#include "ui/widgets/option_editors.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLineEdit>
#include <QLocale>
#include <QPlainTextEdit>
#include <QSignalBlocker>
#include <QStyle>
#include <QStyleOptionSpinBox>
#include <algorithm>
#include <cmath>

#include "ui/util/convert.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {

constexpr double kLargest = 9e15;  // whole numbers up to here are exact in a double
using Report = std::function<void(const api::FieldValue&)>;

/// Shows 5e-06 as people write it, and steps by the value's own magnitude.
class NumberBox : public QDoubleSpinBox {
 public:
  explicit NumberBox(const api::FieldInfo& info) : m_whole(info.kind == api::FieldKind::Integer) {
    setDecimals(m_whole ? 0 : 15);
    setRange(std::max(info.min, -kLargest), std::min(info.max, kLargest));
    if (info.step > 0) setSingleStep(info.step);
    setStepType(info.step > 0 || m_whole ? DefaultStepType : AdaptiveDecimalStepType);
    setKeyboardTracking(false);
    if (!info.unit.empty()) setSuffix(QStringLiteral(" ") + Texts::option(info.unit));
  }
  QString textFromValue(double value) const override {
    return m_whole ? QString::number(static_cast<qlonglong>(value))
                   : QString::number(value, 'g', 10);
  }
  double valueFromText(const QString& text) const override {
    QString number = text;
    number.remove(suffix());
    return number.trimmed().replace(QLatin1Char(','), QLatin1Char('.')).toDouble();
  }
  QValidator::State validate(QString& text, int&) const override {
    QString number = text;
    number.remove(suffix());
    number = number.trimmed().replace(QLatin1Char(','), QLatin1Char('.'));
    bool ok = false;
    const double value = number.toDouble(&ok);
    if (ok && value >= minimum() && value <= maximum() && (!m_whole || value == std::floor(value)))
      return QValidator::Acceptable;
    static const QString allowed = QStringLiteral("0123456789.eE+-");
    const bool plausible =
        std::all_of(number.begin(), number.end(), [](QChar ch) { return allowed.contains(ch); });
    return plausible ? QValidator::Intermediate : QValidator::Invalid;
  }
  /// Wide enough for its unit beside a usual number.
  QSize sizeHint() const override {
    QStyleOptionSpinBox option;
    initStyleOption(&option);
    const QString widest =
        (m_whole ? QStringLiteral("10000") : QStringLiteral("0.0000")) + suffix();
    const QSize text(fontMetrics().horizontalAdvance(widest), fontMetrics().height());
    return style()
        ->sizeFromContents(QStyle::CT_SpinBox, &option, text, this)
        .expandedTo({110, QDoubleSpinBox::sizeHint().height()});
  }
  QSize minimumSizeHint() const override { return sizeHint(); }

 private:
  bool m_whole;
};

OptionEditor checkBox(const Report& report) {
  auto* box = new QCheckBox;
  QObject::connect(box, &QCheckBox::toggled, box, [report](bool on) { report(on); });
  return {box, [box](const api::FieldValue& value) {
            const QSignalBlocker quiet(box);
            box->setChecked(std::get<bool>(value));
          }};
}

OptionEditor numberBox(const api::FieldInfo& info, const Report& report) {
  auto* box = new NumberBox(info);
  const bool whole = info.kind == api::FieldKind::Integer;
  QObject::connect(box, &QDoubleSpinBox::valueChanged, box, [report, whole](double value) {
    report(whole ? api::FieldValue(static_cast<std::int64_t>(value)) : api::FieldValue(value));
  });
  return {box, [box, whole](const api::FieldValue& value) {
            const QSignalBlocker quiet(box);
            box->setValue(whole ? static_cast<double>(std::get<std::int64_t>(value))
                                : std::get<double>(value));
          }};
}

OptionEditor comboBox(const api::FieldInfo& info, const Report& report) {
  auto* box = new QComboBox;
  for (std::size_t i = 0; i < info.choices.size(); ++i)
    box->addItem(Texts::option(info.labels.empty() ? info.choices[i] : info.labels[i]),
                 fromStd(info.choices[i]));
  QObject::connect(box, &QComboBox::currentIndexChanged, box, [box, report](int index) {
    report(toStd(box->itemData(index).toString()));
  });
  return {box, [box](const api::FieldValue& value) {
            const QSignalBlocker quiet(box);
            box->setCurrentIndex(box->findData(fromStd(std::get<std::string>(value))));
          }};
}

OptionEditor lineEdit(const Report& report) {
  auto* edit = new QLineEdit;
  QObject::connect(
      edit, &QLineEdit::editingFinished, edit, [edit, report] { report(toStd(edit->text())); });
  return {edit, [edit](const api::FieldValue& value) {
            const QString text = fromStd(std::get<std::string>(value));
            if (edit->text() != text) edit->setText(text);
          }};
}

OptionEditor listEdit(const Report& report) {
  auto* edit = new QPlainTextEdit;
  edit->setTabChangesFocus(true);
  edit->setLineWrapMode(QPlainTextEdit::NoWrap);
  edit->setFixedHeight(edit->fontMetrics().lineSpacing() * 4 + 12);
  QObject::connect(edit, &QPlainTextEdit::textChanged, edit, [edit, report] {
    std::vector<std::string> lines;
    for (const QString& line : edit->toPlainText().split(QLatin1Char('\n'), Qt::SkipEmptyParts))
      if (!line.trimmed().isEmpty()) lines.push_back(toStd(line.trimmed()));
    report(lines);
  });
  return {
      edit, [edit](const api::FieldValue& value) {
        QStringList lines;
        for (const std::string& line : std::get<std::vector<std::string>>(value))
          lines << fromStd(line);
        QStringList shown;
        for (const QString& line : edit->toPlainText().split(QLatin1Char('\n'), Qt::SkipEmptyParts))
          if (!line.trimmed().isEmpty()) shown << line.trimmed();
        if (shown == lines) return;  // leaves the cursor and half-written lines alone
        const QSignalBlocker quiet(edit);
        edit->setPlainText(lines.join(QLatin1Char('\n')));
      }};
}

}  // namespace

OptionEditor makeOptionEditor(const api::FieldInfo& info, Report report) {
  switch (info.kind) {
    case api::FieldKind::Boolean:
      return checkBox(report);
    case api::FieldKind::Integer:
    case api::FieldKind::Number:
      return numberBox(info, report);
    case api::FieldKind::Choice:
      return comboBox(info, report);
    case api::FieldKind::TextList:
      return listEdit(report);
    case api::FieldKind::Text:
    case api::FieldKind::Path:
      return lineEdit(report);
  }
  return {};
}

}  // namespace likeness::ui

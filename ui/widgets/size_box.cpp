#include "ui/widgets/size_box.h"

#include <QLineEdit>
#include <QRegularExpression>
#include <algorithm>

namespace likeness::ui {
namespace {
constexpr int kStep = 8;  // other sizes have no latent
constexpr int kMostPixels = 4096;
}  // namespace

SizeBox::SizeBox(const QString& automatic, QWidget* parent) : QComboBox(parent) {
  setEditable(true);
  setInsertPolicy(QComboBox::NoInsert);
  setCompleter(nullptr);  // 12 is not 128
  setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  addItem(automatic);
  for (const int side : {128, 256, 512, 768, 1024}) addItem(QStringLiteral("%1 × %1").arg(side));
  connect(lineEdit(), &QLineEdit::editingFinished, this, [this] { setPixels(pixels()); });
}

QSize SizeBox::pixels() const {
  static const QRegularExpression sides(
      QStringLiteral("^\\s*(\\d{1,5})(?:\\s*[x×*]\\s*(\\d{1,5}))?\\s*$"));
  const QRegularExpressionMatch match = sides.match(currentText());
  if (!match.hasMatch()) return {0, 0};
  const auto side = [](const QString& digits) {
    return std::clamp((digits.toInt() + kStep / 2) / kStep * kStep, kStep, kMostPixels);
  };
  const int width = side(match.captured(1));
  return {width, match.captured(2).isEmpty() ? width : side(match.captured(2))};
}

void SizeBox::setPixels(QSize pixels) {
  const QString text = pixels.width() > 0
                           ? QStringLiteral("%1 × %2").arg(pixels.width()).arg(pixels.height())
                           : itemText(0);
  setCurrentIndex(findText(text));
  setEditText(text);
}

}  // namespace likeness::ui

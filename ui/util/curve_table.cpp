#include "ui/util/curve_table.h"

#include <QLocale>
#include <map>

namespace likeness::ui {

QByteArray curveTable(const std::vector<CurveColumn>& columns) {
  const auto quoted = [](QString name) {
    return QLatin1Char('"') + name.replace(QLatin1Char('"'), QLatin1String("\"\"")) +
           QLatin1Char('"');
  };
  const QLocale numbers = QLocale::c();
  std::map<qint64, std::vector<QByteArray>> rows;
  QStringList head{QStringLiteral("step")};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    head << quoted(columns[i].name);
    for (const QPointF& point : columns[i].points) {
      std::vector<QByteArray>& row = rows[qRound64(point.x())];
      row.resize(columns.size());
      row[i] = numbers.toString(point.y(), 'g', QLocale::FloatingPointShortest).toLatin1();
    }
  }
  QByteArray table = head.join(QLatin1Char(',')).toUtf8() + '\n';
  for (const auto& [step, values] : rows) {
    table += QByteArray::number(step);
    for (const QByteArray& value : values) table += ',' + value;
    table += '\n';
  }
  return table;
}

}  // namespace likeness::ui

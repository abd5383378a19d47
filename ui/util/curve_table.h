// Curves as a table that other programs read.
#pragma once

#include <QByteArray>
#include <QPointF>
#include <QString>
#include <QVector>
#include <vector>

namespace likeness::ui {

struct CurveColumn {
  QString name;
  QVector<QPointF> points;  ///< x = step, rising
};

/// CSV in UTF-8: a row for each step that any curve has, empty where a curve has no value there.
/// Numbers have a point and read back exactly.
QByteArray curveTable(const std::vector<CurveColumn>& columns);

}  // namespace likeness::ui

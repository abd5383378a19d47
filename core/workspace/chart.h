// Curves as inline SVG, for pages without scripts.
#pragma once

#include <string>
#include <vector>

#include "core/api/events.h"

namespace likeness::workspace {

struct ChartLine {
  std::string name;  ///< in the legend; plain text
  api::Series series = api::Series::SubjectLoss;
};
struct Chart {
  std::string title;
  std::vector<ChartLine> lines;
  bool smooth = false;  ///< the values faint, and an exponential mean of about a fortieth of them
};

/// "<figure>...</figure>" with the classes that report.cpp styles (line l0, l1, ...); a line at
/// `mark` when it is a step. Empty when none of the lines has two values.
std::string toSvg(const Chart& chart,
                  const std::vector<api::MetricSample>& samples,
                  std::int64_t mark);

/// Text between tags or in quotes: HTML's characters escaped, bytes that are not UTF-8 replaced,
/// control characters gone.
std::string escapeHtml(std::string_view text);
/// Four digits, as a person reads them: "0.1234", "5e-06", "1234".
std::string plainNumber(double value);

}  // namespace likeness::workspace

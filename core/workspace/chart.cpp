#include "core/workspace/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/text/unicode.h"

namespace likeness::workspace {
namespace {

constexpr double kWidth = 640, kHeight = 220, kLeft = 56, kRight = 16, kTop = 8, kBottom = 22;
constexpr std::size_t kPoints = 400;  ///< of a line; more than a screen shows
constexpr double kSmoothing = 40;

struct Point {
  double x = 0, y = 0;
};
using Line = std::vector<Point>;

Line lineOf(const std::vector<api::MetricSample>& samples, api::Series series) {
  Line line;
  for (const api::MetricSample& sample : samples)
    if (sample.series == series && std::isfinite(sample.value))
      line.push_back({static_cast<double>(sample.step), sample.value});
  return line;
}

Line smoothed(const Line& line) {
  const double part = 1 / std::max(1.0, static_cast<double>(line.size()) / kSmoothing);
  Line out = line;
  for (std::size_t i = 1; i < out.size(); ++i)
    out[i].y = out[i - 1].y + part * (line[i].y - out[i - 1].y);
  return out;
}

/// Means of neighbours.
Line thinned(const Line& line) {
  const std::size_t group = (line.size() + kPoints - 1) / kPoints;
  if (group <= 1) return line;
  Line out;
  for (std::size_t first = 0; first < line.size(); first += group) {
    const std::size_t last = std::min(first + group, line.size());
    Point mean;
    for (std::size_t i = first; i < last; ++i) mean = {mean.x + line[i].x, mean.y + line[i].y};
    const auto count = static_cast<double>(last - first);
    out.push_back({mean.x / count, mean.y / count});
  }
  return out;
}

std::string format(const char* text, auto... values) {
  char buffer[160];
  std::snprintf(buffer, sizeof buffer, text, values...);
  return buffer;
}

/// 1, 2 or 5 times a power of ten, so that about `count` steps cover `range`.
double niceStep(double range, int count) {
  const double raw = range / count, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw) return factor * power;
  return 10 * power;
}

class Axes {
 public:
  Axes(const std::vector<Line>& lines, double mark) : m_x{0, mark}, m_y{1e300, -1e300} {
    for (const Line& line : lines)
      for (const Point& point : line) {
        m_x.high = std::max(m_x.high, point.x);
        m_y = {std::min(m_y.low, point.y), std::max(m_y.high, point.y)};
      }
    const double slack = m_y.high > m_y.low ? 0.04 * (m_y.high - m_y.low)
                                            : std::max(std::abs(m_y.high) * 0.1, 1e-12);
    m_y = {m_y.low - slack, m_y.high + slack};
    if (m_x.high <= m_x.low) m_x.high = m_x.low + 1;
  }
  double x(double value) const {
    return kLeft + (value - m_x.low) / (m_x.high - m_x.low) * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    return kHeight - kBottom -
           (value - m_y.low) / (m_y.high - m_y.low) * (kHeight - kTop - kBottom);
  }
  std::string grid() const {
    std::string out;
    const double rows = niceStep(m_y.high - m_y.low, 4), columns = niceStep(m_x.high - m_x.low, 6);
    for (double i = std::ceil(m_y.low / rows); i * rows <= m_y.high; ++i)
      out +=
          format(
              "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>", kLeft, y(i * rows), kWidth - kRight) +
          format("<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">", kLeft - 6, y(i * rows) + 4) +
          plainNumber(i * rows) + "</text>";
    for (double i = 0; i * columns <= m_x.high; ++i)
      out +=
          format(
              "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">", x(i * columns), kHeight - 5) +
          plainNumber(i * columns) + "</text>";
    return out;
  }
  std::string path(const Line& line, const std::string& classes) const {
    std::string out = "<path class=\"line " + classes + "\" d=\"";
    for (std::size_t i = 0; i < line.size(); ++i)
      out += format("%c%.1f %.1f", i == 0 ? 'M' : 'L', x(line[i].x), y(line[i].y));
    return out + "\"/>";
  }

 private:
  struct Range {
    double low = 0, high = 0;
  } m_x, m_y;
};

}  // namespace

std::string escapeHtml(std::string_view text) {
  std::u32string out;
  for (const char32_t c : text::decodeUtf8(text)) {
    switch (c) {
      case '&':
        out += U"&amp;";
        break;
      case '<':
        out += U"&lt;";
        break;
      case '>':
        out += U"&gt;";
        break;
      case '"':
        out += U"&quot;";
        break;
      case '\'':
        out += U"&#39;";
        break;
      default:
        if ((c >= 32 && c != 127) || c == '\n' || c == '\t') out += c;
    }
  }
  return text::encodeUtf8(out);
}

std::string plainNumber(double value) { return format("%.4g", value == 0 ? 0.0 : value); }

std::string toSvg(const Chart& chart,
                  const std::vector<api::MetricSample>& samples,
                  std::int64_t mark) {
  std::vector<Line> lines;
  for (const ChartLine& line : chart.lines) lines.push_back(lineOf(samples, line.series));
  if (std::ranges::none_of(lines, [](const Line& line) { return line.size() > 1; })) return {};
  const Axes axes(lines, std::max<double>(0, static_cast<double>(mark)));
  std::string legend, paths;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].size() < 2) continue;
    const std::string style = "l" + std::to_string(i);
    if (chart.smooth) paths += axes.path(thinned(lines[i]), style + " faint");
    const Line shown = chart.smooth ? smoothed(lines[i]) : lines[i];
    paths += axes.path(thinned(shown), style);
    legend += "<span class=\"" + style + "\">" + escapeHtml(chart.lines[i].name) + " <b>" +
              plainNumber(shown.back().y) + "</b></span> ";
  }
  std::string svg =
      "<figure><figcaption><h3>" + escapeHtml(chart.title) + "</h3>" + legend + "</figcaption>" +
      format("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", kWidth, kHeight) +
      escapeHtml(chart.title) + "\">" + axes.grid();
  if (mark >= 0)
    svg += format("<path class=\"mark\" d=\"M%.1f %.0fV%.0f\"/>",
                  axes.x(static_cast<double>(mark)),
                  kTop,
                  kHeight - kBottom);
  return svg + paths + "</svg></figure>\n";
}

}  // namespace likeness::workspace

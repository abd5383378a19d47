// The columns of metrics.csv and nothing more.
#include "core/workspace/metrics_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "core/base/file_system.h"

namespace likeness::workspace {
namespace {

/// In the order of api::Series.
constexpr std::array<std::string_view, 16> kColumns{"subject_loss",
                                                    "class_loss",
                                                    "probe_subject",
                                                    "probe_class",
                                                    "learning_rate",
                                                    "grad_norm",
                                                    "step_seconds",
                                                    "memory_mib",
                                                    "loss_band_1",
                                                    "loss_band_2",
                                                    "loss_band_3",
                                                    "loss_band_4",
                                                    "class_drift",
                                                    "dino_likeness",
                                                    "clip_likeness",
                                                    "clip_prompt"};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

std::string metricsHeader() {
  std::string line = "step";
  for (const std::string_view column : kColumns) line.append(",").append(column);
  return line + "\n";
}

std::string metricsRow(std::int64_t step, const std::vector<api::MetricSample>& samples) {
  std::array<std::string, kColumns.size()> cells;
  for (const api::MetricSample& sample : samples)
    cells[static_cast<std::size_t>(sample.series)] = shortest(sample.value);
  std::string line = std::to_string(step);
  for (const std::string& cell : cells) line.append(",").append(cell);
  return line + "\n";
}

std::string metricsText(const std::vector<api::MetricSample>& samples) {
  std::string text = metricsHeader();
  for (auto first = samples.begin(); first != samples.end();) {
    const auto last = std::find_if(
        first, samples.end(), [&](const auto& sample) { return sample.step != first->step; });
    text += metricsRow(first->step, {first, last});
    first = last;
  }
  return text;
}

std::vector<api::MetricSample> readMetrics(const std::filesystem::path& file) {
  const auto text = base::readFile(file, std::uint64_t{1} << 30);
  if (!text) return {};
  std::vector<std::string_view> lines = split(*text, '\n');
  // What follows the last line break is empty, or a row that was being written.
  lines.pop_back();
  if (lines.empty()) return {};
  std::vector<std::optional<api::Series>> series;
  for (const std::string_view column : split(lines.front(), ',')) {
    series.emplace_back();
    for (std::size_t i = 0; i < kColumns.size(); ++i)
      if (kColumns[i] == column) series.back() = static_cast<api::Series>(i);
  }
  std::vector<api::MetricSample> samples;
  for (std::size_t row = 1; row < lines.size(); ++row) {
    const auto cells = split(lines[row], ',');
    const auto step = parse<std::int64_t>(cells.front());
    if (!step || cells.size() != series.size()) continue;
    for (std::size_t i = 1; i < cells.size(); ++i)
      if (const auto value = parse<double>(cells[i]); series[i] && value)
        samples.push_back({*step, *series[i], *value});
  }
  return samples;
}

}  // namespace likeness::workspace

// Rows as core/workspace lays them out.
#include "core/train/metrics_log.h"

#include "core/workspace/metrics_file.h"

namespace likeness::train {

api::Result<MetricsLog> MetricsLog::open(const std::filesystem::path& file,
                                         std::uint64_t keepBytes) {
  auto opened = base::AppendFile::open(file);
  if (!opened) return api::fail(opened.error());
  std::error_code ignored;
  std::uint64_t bytes = std::filesystem::file_size(file, ignored);
  if (bytes > keepBytes) {
    if (auto cut = base::truncateFile(file, keepBytes); !cut) return api::fail(cut.error());
    bytes = keepBytes;
  }
  MetricsLog log(std::move(*opened), bytes);
  if (bytes == 0) {
    const std::string header = workspace::metricsHeader();
    if (auto written = log.m_file.append(header); !written) return api::fail(written.error());
    log.m_bytes = header.size();
  }
  return log;
}

api::Result<void> MetricsLog::append(const std::vector<api::MetricSample>& samples) {
  if (samples.empty()) return {};
  const std::string row = workspace::metricsRow(samples.front().step, samples);
  m_bytes += row.size();
  return m_file.append(row);
}

}  // namespace likeness::train

// metrics.csv of a running training: appended row by row, cut back on resume.
#pragma once

#include <filesystem>
#include <vector>

#include "core/api/events.h"
#include "core/base/file_system.h"

namespace likeness::train {

class MetricsLog {
 public:
  /// Keeps the first `keepBytes` of an existing file (0 = begins anew).
  static api::Result<MetricsLog> open(const std::filesystem::path& file, std::uint64_t keepBytes);
  /// All samples belong to one step.
  api::Result<void> append(const std::vector<api::MetricSample>& samples);
  api::Result<void> sync() { return m_file.sync(); }
  std::uint64_t bytes() const { return m_bytes; }

 private:
  MetricsLog(base::AppendFile file, std::uint64_t bytes)
      : m_file(std::move(file)), m_bytes(bytes) {}
  base::AppendFile m_file;
  std::uint64_t m_bytes;
};

}  // namespace likeness::train

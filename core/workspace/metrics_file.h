// metrics.csv: one wide row per step, a column per series, empty where nothing was measured.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/events.h"

namespace likeness::workspace {

/// "step,subject_loss,class_loss,...\n": a column for each api::Series, in its order.
std::string metricsHeader();
/// The row of one step; all samples belong to `step`. Numbers are written so that they read back
/// exactly.
std::string metricsRow(std::int64_t step, const std::vector<api::MetricSample>& samples);
/// Header and rows of samples that are ordered by step, as readMetrics() returns them.
std::string metricsText(const std::vector<api::MetricSample>& samples);
/// All samples of a file, by rows. Unknown columns and damaged or unfinished rows (a crash while
/// appending) are left out; a missing file has none.
std::vector<api::MetricSample> readMetrics(const std::filesystem::path& file);

}  // namespace likeness::workspace

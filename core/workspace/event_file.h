// TensorBoard's event files: TFRecords of tensorflow.Event messages
// (tensorflow/core/util/event.proto and framework/summary.proto), of which only what is needed here
// is written, without protobuf.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/events.h"

namespace likeness::workspace {

/// In a run folder. Readers look for ".tfevents." and take the number as a time; one name lets a
/// run be continued in the same file.
inline constexpr std::string_view kEventsFile = "events.out.tfevents.0.likeness";

/// "loss/subject": the name under which TensorBoard shows a series.
std::string_view tagOf(api::Series series);

// Each returns whole records, ready to be appended; `wallTime` in seconds since 1970. Texts that
// are not UTF-8 have their bad bytes replaced, because readers refuse the whole file otherwise.

/// What a file begins with.
std::string eventFileStart(double wallTime);
std::string scalarEvent(double wallTime,
                        std::int64_t step,
                        const std::vector<api::MetricSample>& samples);
/// `png` is the content of a file of the picture's size.
std::string pictureEvent(double wallTime,
                         std::int64_t step,
                         std::string_view tag,
                         int width,
                         int height,
                         std::string_view png);
std::string textEvent(double wallTime,
                      std::int64_t step,
                      std::string_view tag,
                      std::string_view markdown);

/// Size of the part of a file that holds whole records of steps up to `lastStep`; records are in
/// order of steps. A missing file has none.
std::uint64_t bytesUntilStep(const std::filesystem::path& file, std::int64_t lastStep);

}  // namespace likeness::workspace

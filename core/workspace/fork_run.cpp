#include "core/workspace/fork_run.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/event_file.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/run_folder.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::Result;

namespace {

/// What decides which tensors a checkpoint holds.
constexpr std::array<std::string_view, 12> kShaping{"training.method",
                                                    "training.layers",
                                                    "training.trainTextEncoder",
                                                    "lora.loraKind",
                                                    "lora.rank",
                                                    "lora.convRank",
                                                    "lora.lokrFactor",
                                                    "lora.targets",
                                                    "lora.loraTextEncoder",
                                                    "embedding.embeddingVectors",
                                                    "optimizer.optimizerKind",
                                                    "memory.bf16Weights"};

/// In the order of kShaping, then the words that have vectors of their own.
std::vector<api::FieldValue> shapeOf(const api::TrainRequest& request) {
  std::vector<api::FieldValue> values(kShaping.size());
  api::forEachSection(request, [&]<class S>(const std::string& section, const S& options) {
    for (const api::Field<S>& row : api::fields<S>()) {
      const auto found = std::ranges::find(kShaping, section + "." + std::string(row.key));
      if (found != kShaping.end())
        values[static_cast<std::size_t>(found - kShaping.begin())] = row.get(options);
    }
  });
  std::vector<std::string> words;
  if (request.embedding.vectors > 0)
    for (const api::FurtherSubject& one : api::subjectsOf(request))
      words.push_back(one.subject.token);
  values.emplace_back(std::move(words));
  return values;
}

/// The first `bytes` of a file.
Result<void> copyFile(const fs::path& from, const fs::path& to, std::uint64_t bytes) {
  std::ifstream in(from, std::ios::binary);
  auto out = base::AtomicFile::create(to);
  if (!out) return api::fail(out.error());
  std::vector<char> buffer(1 << 20);
  while (bytes > 0) {
    const auto count = std::min<std::uint64_t>(bytes, buffer.size());
    if (!in.read(buffer.data(), static_cast<std::streamsize>(count)))
      return api::fail(ErrorCode::FileUnreadable,
                       {{"file", from.string()}, {"reason", "it ends too early"}});
    if (auto written = out->write(std::string_view(buffer.data(), count)); !written) return written;
    bytes -= count;
  }
  return out->commit();
}
Result<void> copyFile(const fs::path& from, const fs::path& to) {
  std::error_code error;
  const auto bytes = fs::file_size(from, error);
  return copyFile(from, to, error ? 0 : bytes);
}

Result<void> copyRun(const fs::path& from, const CheckpointInfo& checkpoint, const fs::path& to) {
  const fs::path place = checkpointFolder(to, checkpoint.step);
  for (const fs::path& folder : {place, to / kSamplesFolder})
    if (auto made = base::makeFolder(folder); !made) return made;
  auto manifest = readManifest(checkpoint.folder, /*hashes=*/true);
  if (!manifest) return api::fail(manifest.error());
  for (const CheckpointFile& file : manifest->files)
    if (auto copied = copyFile(checkpoint.folder / file.name, place / file.name); !copied)
      return copied;
  manifest->finished = false;
  if (auto written = writeManifest(place, *manifest); !written) return written;

  auto samples = readMetrics(from / kMetricsFile);
  std::erase_if(samples, [&](const auto& sample) { return sample.step > checkpoint.step; });
  if (auto written = base::writeFile(to / kMetricsFile, metricsText(samples)); !written)
    return written;
  if (const auto bytes = bytesUntilStep(from / kEventsFile, checkpoint.step))
    if (auto copied = copyFile(from / kEventsFile, to / kEventsFile, bytes); !copied) return copied;
  std::error_code error;
  for (fs::directory_iterator entry(from / kSamplesFolder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path name = entry->path().filename();
    const auto sample = parseSampleName(name.string());
    if (!sample || sample->first > checkpoint.step) continue;
    if (auto copied = copyFile(entry->path(), to / kSamplesFolder / name); !copied) return copied;
  }
  return {};
}

}  // namespace

Result<std::int64_t> forkRun(const fs::path& from, api::TrainRequest request) {
  const fs::path to = request.runFolder;
  const auto stored = readRunRequest(from);
  if (!stored) return api::fail(stored.error());
  if (std::error_code error; fs::exists(to, error))
    return api::fail(ErrorCode::RunExists, {{"folder", to.string()}});
  const auto before = shapeOf(*stored), now = shapeOf(request);
  if (const auto differs = std::ranges::mismatch(before, now).in1; differs != before.end()) {
    const auto place = static_cast<std::size_t>(differs - before.begin());
    const std::string_view key = place < kShaping.size() ? kShaping[place] : "subject.token";
    return api::fail(ErrorCode::RunIncompatible,
                     {{"folder", from.string()}, {"key", std::string(key)}});
  }
  const auto all = listCheckpoints(from);
  if (all.empty()) return api::fail(ErrorCode::NoCheckpoint, {{"folder", from.string()}});

  if (request.classImageFolder.empty()) request.classImageFolder = from / kClassImagesFolder;
  if (request.cacheFolder.empty()) request.cacheFolder = from / kCacheFolder;
  const fs::path building = base::temporaryName(to);
  request.runFolder = building;
  auto made = base::removeAll(building);
  if (made) made = copyRun(from, all.back(), building);
  if (made) made = writeRunRequest(request);
  if (made) made = base::renameFolder(building, to);
  if (made) return all.back().step;
  (void)base::removeAll(building);
  return api::fail(made.error());
}

}  // namespace likeness::workspace

#include "core/train/run_recorder.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <sstream>

#include "core/api/subjects.h"
#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/event_file.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/report.h"
#include "core/workspace/run_folder.h"
#include "likeness_version.h"

namespace likeness::train {
namespace fs = std::filesystem;
using api::Series;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool isKept(const api::MetricSample& sample) {
  return sample.series == Series::ProbeSubject || sample.series == Series::ProbeClass ||
         sample.series == Series::ClassDrift || sample.series == Series::DinoLikeness;
}

std::string asCode(std::string_view text) {
  std::string out = "    ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out;
}

/// A prompt without the token's words, with a comma or full stop or not; nothing where it has none.
std::optional<std::string> withoutToken(const std::string& prompt, const std::string& token) {
  std::istringstream words(prompt);
  std::string out, word;
  bool found = false;
  while (words >> word) {
    std::string bare = word;
    while (!bare.empty() && (bare.back() == ',' || bare.back() == '.')) bare.pop_back();
    if (bare == token) {
      found = true;
      continue;
    }
    out += (out.empty() ? "" : " ") + word;
  }
  if (!found) return {};
  return out;
}

/// "samples/2 sks dog on the beach": one row of TensorBoard's page for each prompt.
std::string tagOf(const api::PictureReady& sample) {
  std::string tag = sample.prompt.substr(0, 100);
  std::ranges::replace(tag, '/', '|');  // which would open a group
  return "samples/" + std::to_string(sample.index + 1) + " " + tag;
}

}  // namespace

api::Result<void> RunRecorder::open(const api::TrainRequest& recipe,
                                    std::optional<std::int64_t> lastStep) {
  m_recipe = &recipe;
  const fs::path file = recipe.runFolder / workspace::kMetricsFile;
  std::vector<api::MetricSample> samples;
  if (lastStep) {
    samples = workspace::readMetrics(file);
    std::erase_if(samples, [&](const auto& sample) { return sample.step > *lastStep; });
  }
  // Written anew: unfinished rows go, and an older file gets today's columns.
  if (auto cut = base::writeFile(file, workspace::metricsText(samples)); !cut) return cut;
  auto metrics = base::AppendFile::open(file);
  if (!metrics) return api::fail(metrics.error());
  m_metrics = std::move(*metrics);
  std::ranges::copy_if(samples, std::back_inserter(m_history), isKept);
  if (lastStep)
    for (std::string& earlier : workspace::readWarnings(recipe.runFolder))
      if (std::ranges::find(m_warnings, earlier) == m_warnings.end())
        m_warnings.insert(m_warnings.begin(), std::move(earlier));
  return recipe.watch.tensorboard ? openEvents(lastStep) : api::Result<void>();
}

api::Result<void> RunRecorder::openEvents(std::optional<std::int64_t> lastStep) {
  const fs::path file = m_recipe->runFolder / workspace::kEventsFile;
  const std::uint64_t kept = lastStep ? workspace::bytesUntilStep(file, *lastStep) : 0;
  auto events = base::AppendFile::open(file);
  if (!events) return api::fail(events.error());
  m_events = std::move(*events);
  if (auto cut = base::truncateFile(file, kept); !cut || kept > 0) return cut;
  std::string prompts;
  for (const api::SamplePrompt& prompt : api::samplePrompts(*m_recipe))
    prompts += asCode(prompt.words()) + "\n";
  const double time = now();
  return m_events->append(
      workspace::eventFileStart(time) + workspace::textEvent(time, 0, "version", kVersion) +
      workspace::textEvent(time, 0, "sample_prompts", prompts) +
      workspace::textEvent(time, 0, "configuration", asCode(config::toYaml(*m_recipe, false))));
}

api::Result<void> RunRecorder::record(std::int64_t step, std::vector<api::MetricSample> samples) {
  if (!m_pictures) return m_pictures;
  if (!m_drifts.empty())
    samples.push_back({step,
                       Series::ClassDrift,
                       std::accumulate(m_drifts.begin(), m_drifts.end(), 0.0) /
                           static_cast<double>(m_drifts.size())});
  m_drifts.clear();
  std::ranges::move(m_judge.take(step), std::back_inserter(samples));
  if (samples.empty()) return {};
  std::ranges::copy_if(samples, std::back_inserter(m_history), isKept);
  for (const api::MetricSample& sample : samples) m_listener.metric(sample);
  if (auto written = m_metrics->append(workspace::metricsRow(step, samples)); !written)
    return written;
  return m_events ? m_events->append(workspace::scalarEvent(now(), step, samples))
                  : api::Result<void>();
}

api::Result<void> RunRecorder::sync() {
  if (auto synced = m_metrics->sync(); !synced || !m_events) return synced;
  return m_events->sync();
}

void RunRecorder::picture(const api::PictureReady& picture) {
  m_listener.picture(picture);
  if (!m_recipe || picture.kind != api::PictureKind::Sample) return;
  measure(picture);
  if (!m_events || !m_pictures) return;
  const auto png = base::readFile(picture.file);
  if (!png) return;  // it was taken away already
  m_pictures = m_events->append(workspace::pictureEvent(
      now(), picture.step, tagOf(picture), picture.image.width, picture.image.height, *png));
}

/// Beside the photos of the subject that it shows, or where it shows none beside the picture of the
/// untrained model.
void RunRecorder::measure(const api::PictureReady& sample) {
  const std::vector<api::FurtherSubject> subjects = api::subjectsOf(*m_recipe);
  for (std::size_t i = 0; i < subjects.size(); ++i)
    if (const auto without = withoutToken(sample.prompt, subjects[i].subject.token))
      return m_judge.look(sample.image, *without, i);
  const auto untrained =
      image::readPhoto(m_recipe->runFolder / workspace::sampleFile(0, sample.index));
  if (untrained) m_drifts.push_back(image::structureDistance(untrained->image, sample.image));
}

void RunRecorder::warning(const api::Error& error) {
  m_listener.warning(error);
  std::string line = api::message(error) + " " + api::hint(error);
  std::ranges::replace(line, '\n', ' ');
  if (std::ranges::find(m_warnings, line) == m_warnings.end())
    m_warnings.push_back(std::move(line));
}

void RunRecorder::report() {
  auto written = workspace::writeWarnings(m_recipe->runFolder, m_warnings);
  if (written) written = workspace::writeReport(m_recipe->runFolder);
  if (!written) m_listener.warning(written.error());
}

}  // namespace likeness::train

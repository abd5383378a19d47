#include "core/workspace/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/workspace/advisor.h"
#include "core/workspace/chart.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/run_folder.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::Series;

namespace {

constexpr std::string_view kWarningsFile = "warnings.txt";
constexpr int kPictureSide = 256;
constexpr std::size_t kSampleRows = 16, kClassPictures = 12;

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --back: #fafafa; --card: #fff; --text: #1c1e21; --soft: #5f6570;
  --edge: #dfe2e7; --c0: #2563c9; --c1: #c2571a; --c2: #2f8f4e; --c3: #8a4bb8; --warn: #9a4a00; }
@media (prefers-color-scheme: dark) { :root { --back: #17191c; --card: #202327; --text: #e7e9ec;
  --soft: #a2a9b4; --edge: #363b43; --c0: #7fb0ff; --c1: #f0a063; --c2: #74cf92; --c3: #c79bea; --warn: #f0b060; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 16px; background: var(--back); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1320px; margin: auto; }
h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 28px 0 8px; }
h3 { display: inline; font-size: 15px; margin-right: 12px; }
p { margin: 4px 0; overflow-wrap: anywhere; } .soft { color: var(--soft); }
.advice { font-size: 17px; border-left: 4px solid var(--c0); padding: 6px 12px; margin: 12px 0; }
.warnings { color: var(--warn); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 8px; margin: 12px 0; }
dl > div, figure, details { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 10px 12px; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 10px; }
figure { margin: 0; min-width: 0; } figcaption { font-size: 13px; color: var(--soft); margin-bottom: 4px; }
figcaption h3 { color: var(--text); } figcaption span { margin-right: 10px; white-space: nowrap; }
figcaption span::before { content: ""; display: inline-block; width: 14px; height: 3px; margin-right: 5px;
  vertical-align: middle; background: currentColor; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--edge); } .mark { stroke: var(--soft); stroke-dasharray: 4 4; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; } .faint { opacity: .25; stroke-width: 1; }
.l0 { color: var(--c0); } .l1 { color: var(--c1); } .l2 { color: var(--c2); } .l3 { color: var(--c3); }
figcaption b { color: var(--text); font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; } th { font-weight: 600; text-align: left; font-size: 13px; }
th, td { padding: 3px 6px 3px 0; vertical-align: top; } thead th { max-width: 256px; overflow-wrap: anywhere; }
img { display: block; max-width: min(256px, 40vw); height: auto; border-radius: 4px; }
.pictures { display: flex; flex-wrap: wrap; gap: 6px; } .pictures img { width: 128px; }
tr.best th { color: var(--c0); } pre { overflow-x: auto; font: 13px/1.5 monospace; margin: 8px 0 0; } summary { cursor: pointer; }
</style>
)";

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

/// "<img ...>" with the picture inside; empty when there is none.
std::string embedded(const fs::path& file, const std::string& words) {
  const auto photo = image::readPhoto(file);
  if (!photo) return {};
  const api::Image small = image::thumbnail(photo->image, kPictureSide);
  return "<img width=\"" + std::to_string(small.width) + "\" height=\"" +
         std::to_string(small.height) + "\" alt=\"" + escapeHtml(words) +
         "\" src=\"data:image/webp;base64," + base64(image::encodeWebp(small)) + "\">";
}

std::string inTags(const char* tag, std::string_view text) {
  return "<" + std::string(tag) + ">" + escapeHtml(text) + "</" + tag + ">";
}

std::string duration(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 60) return plainNumber(seconds) + " s";
  return (whole >= 3600 ? std::to_string(whole / 3600) + " h " : "") +
         std::to_string(whole / 60 % 60) + " min " +
         (whole < 3600 ? std::to_string(whole % 60) + " s" : "");
}

/// Everything that the page tells of, read once.
struct Run {
  fs::path folder;
  api::TrainRequest request;
  std::vector<api::MetricSample> samples;
  nlohmann::json inputs;
  std::vector<CheckpointInfo> checkpoints;
  std::optional<CheckpointInfo> best;
  std::int64_t steps = 0;
  bool finished = false;

  std::vector<double> values(Series series) const {
    std::vector<double> found;
    for (const api::MetricSample& sample : samples)
      if (sample.series == series) found.push_back(sample.value);
    return found;
  }
  std::string input(const char* key) const {
    const auto found = inputs.find(key);
    if (found == inputs.end()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
  }
  /// Of the class that begins with this subject.
  std::vector<fs::path> classPictures(std::size_t subject) const {
    std::vector<fs::path> files;
    const auto list = inputs.find("classPictures");
    if (list == inputs.end() || !list->is_array()) return files;
    for (const auto& picture : *list) {
      if (!picture.is_object()) continue;
      const auto file = picture.find("file"), of = picture.find("subject");
      const bool own = of == picture.end() ? subject == 0 : *of == subject;
      if (own && file != picture.end() && file->is_string())
        files.emplace_back(file->get<std::string>());
    }
    return files;
  }
};

api::Result<Run> readRun(const fs::path& folder) {
  auto request = readRunRequest(folder);
  if (!request) return api::fail(request.error());
  Run run{folder, std::move(*request), readMetrics(folder / kMetricsFile), {}, {}, {}};
  if (const auto text = base::readFile(folder / kInputsFile))
    run.inputs = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!run.inputs.is_object()) run.inputs = nlohmann::json::object();
  run.checkpoints = listCheckpoints(folder);
  run.best = bestCheckpoint(run.checkpoints);
  for (const api::MetricSample& sample : run.samples) run.steps = std::max(run.steps, sample.step);
  if (!run.checkpoints.empty())
    if (const auto newest = readManifest(run.checkpoints.back().folder)) {
      run.steps = std::max(run.steps, newest->step);
      run.finished = newest->finished;
    }
  return run;
}

std::string figures(const Run& run) {
  std::string out = "<dl>";
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += "<div>" + inTags("dt", name) + inTags("dd", value) + "</div>";
  };
  const api::TrainRequest& r = run.request;
  add("Steps", std::to_string(run.steps) + " of " + std::to_string(r.training.steps));
  std::vector<double> times = run.values(Series::StepSeconds);
  if (!times.empty()) {
    double total = 0;
    for (const double time : times) total += time;
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::ranges::nth_element(times, middle);
    add("Time of the steps", duration(total));
    add("Median step", duration(*middle));
  }
  if (const auto memory = run.values(Series::MemoryMiB); !memory.empty())
    add("Most memory", plainNumber(*std::ranges::max_element(memory)) + " MiB");
  if (run.best) add("Best checkpoint", "step " + std::to_string(run.best->step));
  add("Method", std::string(api::enumName(r.training.method)));
  add("Photos", std::to_string(api::photoCount(r)));
  const auto classes = api::classesOf(r);
  add("Class pictures",
      std::to_string(r.prior.classImages) +
          (std::ranges::count(classes, std::size_t{0}) < std::ssize(classes) ? " of each class"
                                                                             : ""));
  add("Base model", r.base.path);
  add("Base model's hash", r.base.hash);
  add("Device", run.input("device"));
  add("Computed in", run.input("dtype"));
  add("Likeness", run.input("version"));
  add("LibTorch", run.input("libtorch"));
  return out + "</dl>\n";
}

std::string curves(const Run& run) {
  const std::array charts{
      Chart{"Probe: the same pictures and noise every time",
            {{"subject", Series::ProbeSubject}, {"class", Series::ProbeClass}}},
      Chart{"Loss", {{"subject", Series::SubjectLoss}, {"class", Series::ClassLoss}}, true},
      Chart{"Drift of the class's sample", {{"distance", Series::ClassDrift}}},
      Chart{"Likeness of the samples (in the paper DINO 0.668, CLIP 0.803, prompt 0.305)",
            {{"DINO", Series::DinoLikeness},
             {"CLIP", Series::ClipLikeness},
             {"prompt", Series::ClipPrompt}}},
      Chart{"Subject loss by noise, from clear to noisy",
            {{"clear", Series::LossBand1},
             {"rather clear", Series::LossBand2},
             {"rather noisy", Series::LossBand3},
             {"noisy", Series::LossBand4}},
            true},
      Chart{"Gradient norm", {{"before clipping", Series::GradNorm}}, true},
      Chart{"Learning rate", {{"rate", Series::LearningRate}}},
      Chart{"Seconds per step", {{"seconds", Series::StepSeconds}}, true},
      Chart{"Memory", {{"MiB", Series::MemoryMiB}}}};
  std::string out;
  for (const Chart& chart : charts)
    out += toSvg(chart, run.samples, run.best ? run.best->step : -1);
  if (out.empty()) return {};
  return "<h2>Curves</h2>" +
         std::string(run.best ? "<p class=\"soft\">The dashed line is the best checkpoint.</p>"
                              : "") +
         "<div class=\"curves\">\n" + out + "</div>\n";
}

/// Rows steps, columns prompts; of very many rows an even choice with the first and the last.
std::string samples(const Run& run) {
  const auto prompts = api::samplePrompts(run.request);
  std::map<std::int64_t, std::map<std::size_t, fs::path>> rows;
  std::error_code error;
  for (fs::directory_iterator entry(run.folder / kSamplesFolder, error), end;
       !error && entry != end;
       entry.increment(error))
    if (const auto sample = parseSampleName(entry->path().filename().string());
        sample && sample->second < prompts.size())
      rows[sample->first][sample->second] = entry->path();
  if (rows.empty()) return {};
  std::string out =
      "<h2>Samples</h2><p class=\"soft\">Each column is one prompt, always from the "
      "same noise; step 0 is the untrained model.</p><div class=\"scroll\">"
      "<table><thead><tr><th>Step</th>";
  for (const api::SamplePrompt& prompt : prompts) out += inTags("th", prompt.words());
  out += "</tr></thead><tbody>\n";
  const std::size_t count = std::min(rows.size(), kSampleRows);
  std::set<std::size_t> chosen;
  for (std::size_t i = 0; i < count; ++i)
    chosen.insert(count == 1 ? 0 : i * (rows.size() - 1) / (count - 1));
  std::size_t index = 0;
  for (const auto& [step, files] : rows) {
    if (!chosen.contains(index++)) continue;
    out += "<tr><th>" + std::to_string(step) + "</th>";
    for (std::size_t column = 0; column < prompts.size(); ++column) {
      const auto file = files.find(column);
      out += "<td>" +
             (file == files.end()
                  ? ""
                  : embedded(file->second,
                             "step " + std::to_string(step) + ": " + prompts[column].words())) +
             "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string classPictures(const Run& run) {
  std::string out;
  const auto subjects = api::subjectsOf(run.request);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const auto files = run.classPictures(i);
    const api::SubjectOptions& subject = subjects[i].subject;
    const std::string words = api::renderPrompt(subject.classPrompt, subject);
    std::string pictures;
    for (std::size_t k = 0; k < std::min(files.size(), kClassPictures); ++k)
      pictures += embedded(run.folder / files[k], words);
    if (!pictures.empty())
      out += "<p class=\"soft\">The first of " + std::to_string(files.size()) + ": " +
             escapeHtml(words) + "</p><div class=\"pictures\">\n" + pictures + "</div>\n";
  }
  return out.empty() ? out : "<h2>Class pictures</h2>" + out;
}

std::string warnings(const Run& run) {
  std::string out;
  for (const std::string& warning : readWarnings(run.folder)) out += inTags("li", warning);
  return out.empty() ? out : "<h2>Warnings</h2><ul class=\"warnings\">" + out + "</ul>\n";
}

}  // namespace

api::Result<void> writeReport(const fs::path& runFolder) {
  const auto run = readRun(runFolder);
  if (!run) return api::fail(run.error());
  const api::TrainRequest& r = run->request;
  const fs::path name = fs::path(runFolder / "").parent_path().filename();
  const std::string subject = api::subjectWords(r);
  const auto advice = advise(run->samples);
  std::string html(kHead);
  html += inTags("title", subject + ", run " + name.string()) + "</head><body><main>" +
          inTags("h1", subject + ", run " + name.string()) + "<p class=\"soft\">" +
          escapeHtml(run->finished ? "Finished at step " + std::to_string(run->steps)
                                   : "As of step " + std::to_string(run->steps) + " of " +
                                         std::to_string(r.training.steps)) +
          "</p>\n";
  if (advice) html += "<p class=\"advice\">" + escapeHtml(api::sentence(*advice)) + "</p>\n";
  html += warnings(*run) + figures(*run) + curves(*run) + samples(*run) + classPictures(*run);
  html += "<h2>Configuration</h2><details><summary>Every option as it was</summary>" +
          inTags("pre", config::toYaml(r)) + "</details>\n</main></body></html>\n";
  return base::writeFile(runFolder / kReportFile, html);
}

std::vector<std::string> readWarnings(const fs::path& runFolder) {
  std::vector<std::string> lines;
  if (const auto text = base::readFile(runFolder / kWarningsFile)) {
    std::istringstream in(*text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
  }
  return lines;
}

api::Result<void> writeWarnings(const fs::path& runFolder,
                                const std::vector<std::string>& warnings) {
  std::string text;
  for (const std::string& warning : warnings) text += warning + "\n";
  if (text.empty()) return {};
  return base::writeFile(runFolder / kWarningsFile, text);
}

}  // namespace likeness::workspace

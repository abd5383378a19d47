#include "core/engine/bench.h"

#include <algorithm>
#include <map>

#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/engine/jobs.h"
#include "core/generate/generate.h"
#include "core/tensor/device.h"
#include "core/train/train.h"

namespace likeness::engine {

using namespace api;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kPhotos = 4;
constexpr std::int64_t kClassImages = 16;
constexpr std::int64_t kPictures = 4;
constexpr std::int64_t kTimedSteps = 20;
constexpr std::int64_t kJobSteps = 60;

/// Lets jobs run unheard, except for the stop request.
class Unheard : public base::Reporter {
 public:
  explicit Unheard(std::stop_token stop) : m_stop(std::move(stop)) {}
  void stage(Stage) override {}
  void progress(const Progress&) override {}
  void picture(const PictureReady&) override {}
  void metric(const MetricSample&) override {}
  void checkpoint(const CheckpointSaved&) override {}
  void warning(const Error&) override {}
  std::stop_token stop() const override { return m_stop; }
  bool takeCheckpointRequest() override { return false; }
  bool takeSampleRequest() override { return false; }

 private:
  std::stop_token m_stop;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// One bench: a temporary folder, the jobs in it and their figures.
class Bench {
 public:
  Bench(const BenchRequest& request, const fs::path& resources, base::Reporter& reporter)
      : m_request(request),
        m_resources(resources),
        m_reporter(reporter),
        m_unheard(reporter.stop()),
        m_folder(fs::temp_directory_path() / ("likeness-bench-" + std::to_string(getpid()))) {}
  ~Bench() {
    std::error_code error;
    fs::remove_all(m_folder, error);
  }

  Result<base::JobResult> run() {
    const std::int64_t idle = base::rssMiB();
    m_reporter.stage(Stage::Bench);
    m_total = 4 * m_request.repeats + 2;
    if (const auto made = base::makeFolder(m_folder); !made) return fail(made.error());
    if (!makePhotos()) return ended();
    // Full training first: the peak of a process only rises.
    for (std::int64_t i = 0; i < m_request.repeats; ++i)
      if (!timeTraining(Method::Full, i)) return ended();
    const std::int64_t trainPeak = base::peakRssMiB();
    for (std::int64_t i = 0; i < m_request.repeats; ++i)
      if (!timeTraining(Method::Lora, i) || !timeClassImages(i) || !timePictures()) return ended();
    if (!timeWholeJob()) return ended();
    Figures figures;
    for (const char* name : {"load_s",
                             "full_step_s",
                             "lora_step_s",
                             "first_step_s",
                             "class_image_s",
                             "image_s",
                             "job_s"})
      if (!m_values[name].empty()) figures.emplace_back(name, median(m_values[name]));
    figures.emplace_back("idle_rss_mib", idle);
    figures.emplace_back("train_peak_rss_mib", trainPeak);
    figures.emplace_back("repeats", m_request.repeats);
    figures.emplace_back("threads", std::int64_t{tensor::setThreads(m_request.compute.threads)});
    return base::JobResult{false, {}, std::move(figures)};
  }

 private:
  /// How it ended when a measurement said no more.
  Result<base::JobResult> ended() const {
    if (m_error) return fail(*m_error);
    return base::JobResult{true, {}, {}};
  }

  /// Notes figures of a job under the bench's names; false when it failed or was stopped.
  bool note(const Result<base::JobResult>& result,
            const std::map<std::string, std::string>& names) {
    m_reporter.progress({Stage::Bench, ++m_done, m_total, 0, 0});
    if (!result) m_error = result.error();
    if (!result || result->cancelled) return false;
    for (const auto& [figure, value] : result->figures)
      if (const auto found = names.find(figure); found != names.end())
        if (const auto* number = std::get_if<double>(&value))
          m_values[found->second].push_back(*number);
    return true;
  }

  ClassImagesRequest classImages(const fs::path& out, std::int64_t count, std::int64_t seed) const {
    ClassImagesRequest request;
    request.base = m_request.model;
    request.subject.classWord = "toy";
    request.prior.classImages = count;
    request.seed = seed;
    request.compute = m_request.compute;
    request.outFolder = out;
    return request;
  }

  bool makePhotos() {
    const auto made =
        makeClassImages(classImages(m_folder / "photos", kPhotos, 1000), m_resources, m_unheard);
    if (!note(made, {})) return false;
    for (const auto& file : made->artifacts) m_photos.push_back({file, {}, {}, false});
    return true;
  }

  TrainRequest training(const fs::path& run, Method method, std::int64_t steps) const {
    TrainRequest request;
    request.base = m_request.model;
    request.photos = m_photos;
    request.subject.classWord = "toy";
    request.training.method = method;
    request.training.steps = steps;
    request.lora.targets = {"to_q", "to_k", "to_v", "to_out.0"};
    request.prior.classImages = kClassImages;
    request.watch.sampleEvery = request.watch.probeEvery = -1;
    request.checkpoints.every = steps;
    request.compute = m_request.compute;
    request.runFolder = run;
    request.classImageFolder = m_folder / "class-images";
    return request;
  }

  /// The first full run also makes the class pictures, so its start is not counted.
  bool timeTraining(Method method, std::int64_t i) {
    const bool full = method == Method::Full;
    const fs::path run = m_folder / ((full ? "full-" : "lora-") + std::to_string(i));
    std::map<std::string, std::string> names = {
        {"step_s_median", full ? "full_step_s" : "lora_step_s"}};
    if (!full) names["first_step_s"] = "first_step_s";
    const bool done =
        note(train::train(training(run, method, kTimedSteps), m_resources, m_unheard), names);
    std::error_code error;
    fs::remove_all(run, error);
    return done;
  }

  bool timeClassImages(std::int64_t i) {
    const auto request = classImages(m_folder / "timed", kClassImages, 2000 + kClassImages * i);
    return note(makeClassImages(request, m_resources, m_unheard),
                {{"per_image_s", "class_image_s"}});
  }

  bool timePictures() {
    GenerateRequest request;
    request.model = m_request.model;
    request.prompt = "a photo of a toy";
    request.count = kPictures;
    request.compute = m_request.compute;
    return note(generate::generate(request, m_resources, m_unheard),
                {{"per_image_s", "image_s"}, {"load_s", "load_s"}});
  }

  bool timeWholeJob() {
    auto request = training(m_folder / "job", Method::Full, kJobSteps);
    request.classImageFolder.clear();  // inside the run: they are made anew
    return note(train::train(request, m_resources, m_unheard), {{"total_s", "job_s"}});
  }

  const BenchRequest& m_request;
  const fs::path& m_resources;
  base::Reporter& m_reporter;
  Unheard m_unheard;
  const fs::path m_folder;
  std::vector<Photo> m_photos;
  std::map<std::string, std::vector<double>> m_values;
  std::optional<Error> m_error;
  std::int64_t m_done = 0, m_total = 0;
};

}  // namespace

Result<base::JobResult> bench(const BenchRequest& request,
                              const fs::path& resources,
                              base::Reporter& reporter) {
  return Bench(request, resources, reporter).run();
}

}  // namespace likeness::engine

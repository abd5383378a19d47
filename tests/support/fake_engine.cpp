#include "tests/support/fake_engine.h"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "core/base/event_fan_out.h"
#include "core/base/ring_buffer.h"

namespace likeness::support {

using namespace api;

Image testImage(int width, int height, int shade) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  bytes->reserve(static_cast<std::size_t>(width) * height * 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      bytes->push_back(static_cast<std::uint8_t>(x * 255 / width));
      bytes->push_back(static_cast<std::uint8_t>(y * 255 / height));
      bytes->push_back(static_cast<std::uint8_t>(shade * 37));
    }
  }
  return {width, height, PixelFormat::Rgb8, std::move(bytes)};
}

struct FakeEngine::Job {
  Commands commands;
  base::RingBuffer<MetricSample> metrics{4096};
  std::deque<std::function<void()>> beats;
  std::int64_t step = 0;
  bool training = false;
  bool finished = false;
  int checkpointsTaken = 0, samplesTaken = 0;
};

struct FakeEngine::Events {
  base::EventFanOut fanOut;
};

class FakeEngine::Control : public JobControl {
 public:
  explicit Control(std::shared_ptr<Job> job) : m_job(std::move(job)) {}
  void requestStop() override { ++m_job->commands.stopRequests; }
  void requestCheckpoint() override { ++m_job->commands.checkpointRequests; }
  void requestSample() override { ++m_job->commands.sampleRequests; }

 private:
  std::shared_ptr<Job> m_job;
};

FakeEngine::FakeEngine()
    : m_events(std::make_unique<Events>()),
      m_devices{{"cpu", "Test processor, 2 cores", 16384, 8192, true, "bf16 self-check passed"}} {}
FakeEngine::~FakeEngine() = default;

Result<JobHandle> FakeEngine::submit(Request request) {
  if (m_refusal) return fail(*std::exchange(m_refusal, std::nullopt));
  if (const auto errors = validate(request); !errors.empty()) return fail(errors.front().error);
  m_requests.push_back(std::move(request));
  m_jobs.push_back(std::make_shared<Job>());
  const JobId id = lastJob();
  emit(id, JobQueued{});
  return JobHandle{id, std::make_shared<Control>(m_jobs.back())};
}

std::unique_ptr<Subscription> FakeEngine::subscribe(EventSink sink) {
  return m_events->fanOut.subscribe(std::move(sink));
}

MetricBatch FakeEngine::drainMetrics(JobId id, std::uint64_t since) {
  if (id == 0 || id > m_jobs.size()) return {};
  auto batch = job(id).metrics.since(since);
  return {std::move(batch.items), batch.next, batch.dropped};
}

std::vector<Device> FakeEngine::devices() { return m_devices; }
void FakeEngine::setDevices(std::vector<Device> devices) { m_devices = std::move(devices); }
void FakeEngine::refuseNext(Error error) { m_refusal = std::move(error); }

FakeEngine::Job& FakeEngine::job(JobId id) const { return *m_jobs.at(id - 1); }
const FakeEngine::Commands& FakeEngine::commands(JobId id) const { return job(id).commands; }
bool FakeEngine::finished(JobId id) const { return job(id).finished; }

void FakeEngine::pushMetric(JobId id, const MetricSample& sample) { job(id).metrics.push(sample); }

void FakeEngine::emit(JobId id, decltype(Event::body) body) {
  if (std::holds_alternative<JobFinished>(body)) {
    if (job(id).finished) throw std::logic_error("a job finishes once");
    job(id).finished = true;
  }
  m_events->fanOut.emit(id, std::move(body));
}

void FakeEngine::saveCheckpoint(JobId id, std::int64_t step) {
  const auto& request = std::get<TrainRequest>(m_requests.at(id - 1));
  std::string name = std::to_string(step);
  name.insert(0, name.size() < 6 ? 6 - name.size() : 0, '0');
  emit(id, CheckpointSaved{step, request.runFolder / "checkpoints" / name});
}

void FakeEngine::sample(JobId id, const TrainingScript& script, std::int64_t step) {
  for (std::int64_t i = 0; i < script.samplePrompts; ++i) {
    const int shade = static_cast<int>(step + i);
    emit(id,
         PictureReady{PictureKind::Sample,
                      testImage(script.imageSize, script.imageSize, shade),
                      {},
                      step,
                      i,
                      script.samplePrompts,
                      "prompt " + std::to_string(i),
                      1});
  }
}

void FakeEngine::trainStep(JobId id, const TrainingScript& script, std::int64_t step) {
  Job& j = job(id);
  j.step = step;
  const double x = static_cast<double>(step) / static_cast<double>(script.steps);
  const auto metric = [&](Series series, double value) { pushMetric(id, {step, series, value}); };
  metric(Series::SubjectLoss, 0.3 * std::exp(-2 * x) + 0.05 * std::sin(7.0 * step));
  metric(Series::ClassLoss, 0.2 + 0.05 * std::cos(5.0 * step));
  metric(Series::LearningRate, 5e-6);
  metric(Series::GradNorm, 1 + 0.1 * std::sin(3.0 * step));
  metric(Series::StepSeconds, 0.1);
  if (script.probeEvery > 0 && step % script.probeEvery == 0) {
    metric(Series::ProbeSubject, 0.3 * std::exp(-2 * x));
    metric(Series::ProbeClass, 0.2);
  }
  const bool sampleAsked = j.commands.sampleRequests > j.samplesTaken;
  const bool checkpointAsked = j.commands.checkpointRequests > j.checkpointsTaken;
  j.samplesTaken = j.commands.sampleRequests;
  j.checkpointsTaken = j.commands.checkpointRequests;
  emit(id,
       Progress{
           Stage::Train, step, script.steps, 0.1, 0.1 * static_cast<double>(script.steps - step)});
  if (sampleAsked || (script.sampleEvery > 0 && step % script.sampleEvery == 0))
    sample(id, script, step);
  if (checkpointAsked || step == script.steps ||
      (script.checkpointEvery > 0 && step % script.checkpointEvery == 0))
    saveCheckpoint(id, step);
}

void FakeEngine::scriptTraining(JobId id, const TrainingScript& script) {
  Job& j = job(id);
  j.training = true;
  const auto beat = [&](auto... bodies) {
    j.beats.push_back([this, id, bodies...] { (emit(id, bodies), ...); });
  };
  beat(JobStarted{}, StageChanged{Stage::LoadModel});
  beat(StageChanged{Stage::PreparePhotos});
  for (std::int64_t i = 1; i <= script.photos; ++i)
    beat(Progress{
        Stage::PreparePhotos, i, script.photos, 0.1, 0.1 * static_cast<double>(script.photos - i)});
  if (script.classImages > 0) beat(StageChanged{Stage::ClassImages});
  for (std::int64_t i = 0; i < script.classImages; ++i) {
    const Image image = testImage(script.imageSize, script.imageSize, static_cast<int>(i));
    beat(PictureReady{PictureKind::ClassImage,
                      image,
                      {},
                      0,
                      i,
                      script.classImages,
                      "a photo of class",
                      i + 1},
         Progress{Stage::ClassImages,
                  i + 1,
                  script.classImages,
                  1,
                  static_cast<double>(script.classImages - i - 1)});
  }
  beat(StageChanged{Stage::CacheLatents});
  beat(StageChanged{Stage::Train});
  for (std::int64_t step = 1; step <= script.steps; ++step) {
    if (script.failure && step == script.failAtStep) {
      beat(JobFinished{Failed{*script.failure}});
      return;
    }
    j.beats.push_back([this, id, script, step] { trainStep(id, script, step); });
  }
  const auto& request = std::get<TrainRequest>(m_requests.at(id - 1));
  beat(JobFinished{Completed{
      {request.runFolder}, {{"steps", script.steps}, {"step_s_median", 0.1}, {"total_s", 10.0}}}});
}

void FakeEngine::scriptGeneration(JobId id, const GenerationScript& script) {
  Job& j = job(id);
  const auto beat = [&](auto... bodies) {
    j.beats.push_back([this, id, bodies...] { (emit(id, bodies), ...); });
  };
  const auto& request = std::get<GenerateRequest>(m_requests.at(id - 1));
  const auto picture = [&](PictureKind kind, std::int64_t step, std::int64_t index) {
    return PictureReady{
        kind,
        testImage(script.imageSize, script.imageSize, static_cast<int>(step + index)),
        {},
        step,
        index,
        script.pictures,
        request.prompt,
        request.seed + index};
  };
  beat(JobStarted{}, StageChanged{Stage::LoadModel});
  if (script.failure) {
    beat(JobFinished{Failed{*script.failure}});
    return;
  }
  beat(StageChanged{Stage::Generate});
  for (std::int64_t step = 1; step <= script.samplerSteps; ++step) {
    beat(Progress{Stage::Generate,
                  step,
                  script.samplerSteps,
                  0.1,
                  0.1 * static_cast<double>(script.samplerSteps - step)});
    if (script.previewEvery > 0 && step % script.previewEvery == 0)
      for (std::int64_t i = 0; i < script.pictures; ++i)
        beat(picture(PictureKind::Preview, step, i));
  }
  for (std::int64_t i = 0; i < script.pictures; ++i) beat(picture(PictureKind::Result, 0, i));
  beat(JobFinished{Completed{{}, {{"generate_s", 1.0}, {"per_image_s", 0.25}}}});
}

void FakeEngine::finishCancelled(JobId id) {
  Job& j = job(id);
  Cancelled outcome;
  if (j.training && j.step > 0) {
    saveCheckpoint(id, j.step);
    outcome.artifacts.push_back(std::get<TrainRequest>(m_requests.at(id - 1)).runFolder);
  }
  j.beats.clear();
  emit(id, JobFinished{std::move(outcome)});
}

bool FakeEngine::advance(JobId id, int beats) {
  Job& j = job(id);
  for (int i = 0; i < beats && !j.finished; ++i) {
    if (j.commands.stopRequests > 0) {
      finishCancelled(id);
    } else {
      if (j.beats.empty()) throw std::logic_error("the job has no script");
      const std::function<void()> beat = std::move(j.beats.front());
      j.beats.pop_front();
      beat();
    }
  }
  return !j.finished;
}

void FakeEngine::playToEnd(JobId id) {
  while (advance(id)) {
  }
}

}  // namespace likeness::support

// The training job: preparation in stages, then the loop.
#include "core/train/train.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <thread>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/base/log.h"
#include "core/generate/generate.h"
#include "core/tensor/device.h"
#include "core/tensor/host_memory.h"
#include "core/train/class_pictures.h"
#include "core/train/run_folder.h"
#include "core/train/training_loop.h"
#include "core/workspace/plan_training.h"
#include "core/workspace/recipe.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/run_folder.h"

namespace likeness::train {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::Result;
using api::Stage;

namespace {

using Clock = std::chrono::steady_clock;

/// One call of train(): what its stages hand on. Each stage is a method; false = stopped. All ranks
/// go through the same stages and wait for each other at the end of each, nowhere in between.
class Job {
 public:
  Job(const api::TrainRequest& request,
      const fs::path& resources,
      base::Reporter& reporter,
      const base::Placement& placement,
      Ranks& ranks)
      : m_request(request),
        m_resources(resources),
        m_reporter(reporter),
        m_placement(placement),
        m_ranks(ranks) {}
  Result<base::JobResult> run();

 private:
  Result<bool> prepare();
  Result<void> checkFolder() const;
  Result<bool> loadModel();
  Result<bool> agreeOnModel();
  void checkWords();
  Result<void> openRun();
  Result<bool> preparePhotos();
  Result<bool> photoLatents();
  void sayShapes() const;
  Result<bool> joinRun();
  Result<bool> makeClassImages();
  Result<bool> classImages();
  Result<bool> ownClassLatents();
  Result<bool> classLatents();
  Result<void> recordInputs() const;
  Result<void> restore(Trainer& trainer);
  RestingNetworks resting(const Trainer& trainer) const;
  Result<bool> trainSteps();
  std::vector<data::View> photoViews() const;
  std::vector<data::View> classViews() const;
  data::LatentCache latentCache() const { return {cacheFolder(), *m_model}; }
  bool stopped() const { return m_reporter.stop().stop_requested(); }
  fs::path cacheFolder() const {
    return m_recipe.cacheFolder.empty() ? m_recipe.runFolder / workspace::kCacheFolder
                                        : m_recipe.cacheFolder;
  }

  const Clock::time_point m_start = Clock::now();
  const api::TrainRequest& m_request;
  const fs::path& m_resources;
  RunRecorder m_reporter;
  const base::Placement& m_placement;
  Ranks& m_ranks;

  api::TrainRequest m_recipe;  ///< complete
  int m_threads = 0;
  at::Device m_device = at::kCPU;
  at::ScalarType m_compute = at::kFloat;
  workspace::RunConditions m_conditions;
  std::optional<base::FileLock> m_lock;
  nn::LoadOptions m_loadOptions;
  std::optional<nn::StableDiffusion> m_model;
  std::vector<data::TrainingPicture> m_photos, m_classPictures;
  std::vector<ClassFile> m_classFiles;
  data::LatentSet m_subjectLatents, m_classLatents;
  std::optional<FoundCheckpoint> m_checkpoint;
  double m_classImageSeconds = 0;
  base::JobResult m_result;
};

Result<base::JobResult> Job::run() {
  m_result.artifacts = {m_request.runFolder};
  auto prepared = prepare();
  if (!prepared) return api::fail(prepared.error());
  if (!*prepared) {
    m_result.cancelled = true;
    m_result.figures = {{"steps", std::int64_t{0}}};
    return m_result;
  }
  auto finished = trainSteps();
  if (!finished) return api::fail(finished.error());
  m_result.cancelled = !*finished;
  m_result.figures.emplace_back("class_images_s", m_classImageSeconds);
  return m_result;
}

/// The stages before the first step, in order.
Result<bool> Job::prepare() {
  if (auto free = checkFolder(); !free) return api::fail(free.error());
  for (Result<bool> (Job::*stage)() : {&Job::loadModel,
                                       &Job::agreeOnModel,
                                       &Job::preparePhotos,
                                       &Job::joinRun,
                                       &Job::makeClassImages,
                                       &Job::classImages,
                                       &Job::ownClassLatents,
                                       &Job::classLatents}) {
    auto done = (this->*stage)();
    if (!done) return done;
    const auto stop = m_ranks.any(!*done);
    if (!stop) return api::fail(stop.error());
    if (*stop) return false;
  }
  if (!m_ranks.isFirst()) return true;
  if (auto recorded = recordInputs(); !recorded) return api::fail(recorded.error());
  return true;
}

Result<void> Job::checkFolder() const {
  if (m_ranks.isFirst() && !m_request.resume && holdsRun(m_request.runFolder))
    return api::fail(ErrorCode::RunExists, {{"folder", m_request.runFolder.string()}});
  return {};
}

// ---- model

Result<bool> Job::loadModel() {
  m_reporter.stage(Stage::LoadModel);
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  m_threads = tensor::setThreads(m_request.compute.threads > 0
                                     ? m_request.compute.threads
                                     : std::max<std::int64_t>(1, cores / m_placement.localSize));
  const auto device = rankDevice(m_request.compute.device, m_placement);
  if (!device) return api::fail(device.error());
  m_device = *device;
  const auto files = workspace::resolveModel(m_request.base, m_resources);
  if (!files) return api::fail(files.error());
  if (!files->adapterFile.empty() || !files->words.empty())
    return api::fail(
        ErrorCode::UnsupportedModel,
        {{"file", m_request.base.path},
         {"reason",
          "it is a run that made an adapter or a new word, which has to be exported as a model "
          "first"}});
  auto stored = weights::openModel(files->files);
  if (!stored) return api::fail(stored.error());
  if (!stored->variant.empty())
    return api::fail(ErrorCode::UnsupportedModel,
                     {{"file", m_request.base.path},
                      {"reason",
                       "it is a model for " + stored->variant +
                           ", which makes pictures but cannot be trained; train on a plain model "
                           "of its family"}});
  m_recipe = workspace::completeRecipe(m_request, stored->resolution());
  if (auto known = checkLayerNames(m_recipe, stored->configs.unet); !known)
    return api::fail(known.error());
  if (auto divisible = checkDivisible(m_recipe, m_ranks); !divisible)
    return api::fail(divisible.error());
  const auto compute = tensor::choosePrecision(m_recipe.compute, m_device);
  if (!compute) return api::fail(compute.error());
  m_compute = *compute;
  m_conditions =
      workspace::runConditions(m_recipe, *stored, m_device.is_cpu(), m_compute != at::kFloat);
  if (const auto obstacle = workspace::obstacleTo(stored->configs, m_recipe, m_conditions))
    return api::fail(*obstacle);

  // Masters stay fp32, or bf16 when asked for; a frozen network needs none.
  m_loadOptions.dtype = m_recipe.training.method != api::Method::Full ? m_compute
                        : m_recipe.memory.bf16Weights                 ? at::kBFloat16
                                                                      : at::kFloat;
  m_loadOptions.device = m_device;
  auto model = nn::loadNetworks(std::move(*stored), m_loadOptions, m_reporter.stop());
  if (!model) return api::fail(model.error());
  if (stopped()) return false;
  m_model = std::move(*model);
  tensor::releaseHostMemory();  // what the files were read through
  return true;
}

/// On the model that the recipe names by its hash, else on that of the first rank.
Result<bool> Job::agreeOnModel() {
  auto hash =
      m_ranks.fromFirst(m_recipe.base.hash.empty() ? m_model->weightHash : m_recipe.base.hash);
  if (!hash) return api::fail(hash.error());
  if (*hash != m_model->weightHash)
    return api::fail(ErrorCode::BadModelFolder,
                     {{"folder", m_model->files.path.string()},
                      {"reason", "its weights are not those that the recipe was made for"}});
  m_recipe.base.hash = *hash;
  return true;
}

/// Words that the model will not take as they are meant.
void Job::checkWords() {
  std::set<std::string> prompts;
  const auto subjects = api::subjectsOf(m_recipe);
  if (m_recipe.prior.classImages > 0)
    for (const auto& [words, photos, classFolder] : subjects)
      prompts.insert(api::renderPrompt(words.classPrompt, words));
  for (const data::TrainingPicture& photo : m_photos)
    prompts.insert(photo.prompts.begin(), photo.prompts.end());
  for (const std::string& prompt : prompts) generate::warnIfTooLong(*m_model, prompt, m_reporter);
  if (m_recipe.embedding.vectors > 0) return;  // tokens stand for vectors of their own
  for (const auto& [words, photos, classFolder] : subjects)
    if (const auto pieces = m_model->tokenizer.encode(words.token).size(); pieces != 1)
      m_reporter.warning({ErrorCode::TokenNotSingle,
                          {{"token", words.token}, {"pieces", std::to_string(pieces)}},
                          {}});
}

// ---- run folder and data

/// Locks the folder and finds where a run in it stopped.
Result<void> Job::openRun() {
  const fs::path& folder = m_recipe.runFolder;
  if (auto made = base::makeFolder(folder); !made) return made;
  auto lock = base::FileLock::acquire(folder / "run.lock");
  if (!lock) return api::fail(lock.error());
  m_lock = std::move(*lock);
  if (auto free = checkFolder(); !free) return free;  // another program may have run in between
  for (const fs::path& place : {folder,
                                folder / workspace::kCheckpointsFolder,
                                folder / workspace::kSamplesFolder,
                                cacheFolder()})
    base::removeLeftovers(place);
  if (!holdsRun(folder)) return {};

  const auto stored = workspace::readRunRequest(folder);
  if (!stored) return api::fail(stored.error());
  if (auto same = checkContinuable(*stored, m_recipe, m_photos); !same) return same;
  m_checkpoint = newestCheckpoint(folder, m_reporter);
  const std::int64_t done = m_checkpoint ? m_checkpoint->manifest.step : 0;
  if (stored->training.steps != m_recipe.training.steps &&
      (m_recipe.training.lrSchedule != api::LrScheduleKind::Constant ||
       m_recipe.training.lrWarmup > 0 ||
       (workspace::trainsTextEncoder(m_recipe) && m_recipe.training.textEncoderStop < 1) ||
       m_recipe.embedding.vectors > 0))
    base::log(base::LogLevel::Warning,
              "continued inexactly: what depends on the part of the steps is stretched to " +
                  std::to_string(m_recipe.training.steps) + " steps");
  base::log(base::LogLevel::Info, "run continues after step " + std::to_string(done));
  return {};
}

/// The copies of each photo that are trained; one when nothing about them is random.
std::vector<data::View> Job::photoViews() const {
  const api::DataOptions& data = m_recipe.data;
  const auto side = static_cast<int>(m_recipe.training.resolution);
  data::View view{side, side};
  if (data.buckets) view.bucketStep = static_cast<int>(data.bucketStep);
  view.cropJitter = data.cropJitter;
  view.colorJitter = data.colorJitter;
  view.seed = static_cast<std::uint64_t>(m_recipe.training.seed);
  std::vector<data::View> views(view.jitters() ? static_cast<std::size_t>(data.augmentations) : 1,
                                view);
  for (std::size_t i = 0; i < views.size(); ++i) views[i].copy = static_cast<std::int64_t>(i);
  return views;
}

/// Every photo is decoded here, before class pictures cost their minutes. The run begins once all
/// of them are good: a person who leaves a bad one out can give the same command again.
Result<bool> Job::preparePhotos() {
  m_reporter.stage(Stage::PreparePhotos);
  auto photos = data::openPhotos(m_recipe, m_reporter.stop());
  if (!photos) return api::fail(photos.error());
  if (stopped()) return false;
  m_photos = std::move(*photos);
  if (!m_ranks.isFirst()) return true;
  checkWords();
  if (auto opened = openRun(); !opened) return api::fail(opened.error());
  auto judge = LikenessJudge::open(m_recipe, m_photos, m_device);
  if (!judge) return api::fail(judge.error());
  m_reporter.setJudge(std::move(*judge));
  if (const auto done = photoLatents(); !done || !*done) return done;
  sayShapes();
  if (auto begun = workspace::writeRunRequest(m_recipe); !begun) return api::fail(begun.error());
  return true;
}

Result<bool> Job::photoLatents() {
  auto latents = latentCache().getAll(
      m_photos, photoViews(), m_recipe.training.flip, Stage::PreparePhotos, m_reporter);
  if (!latents) return api::fail(latents.error());
  if (stopped()) return false;
  m_subjectLatents = std::move(*latents);
  tensor::releaseHostMemory();  // decoded photos and the autoencoder's activations
  return true;
}

/// What became of photos' shapes, and which batches show a photo twice.
void Job::sayShapes() const {
  if (!m_recipe.data.buckets) return;
  std::string text;
  for (const image::Shape& shape : data::shapesOf(m_subjectLatents)) {
    std::int64_t photos = 0;
    for (std::size_t i = 0; i < m_photos.size(); ++i)
      if (data::shapeOf(m_subjectLatents, i) == shape) photos += m_photos[i].repeats;
    text += (text.empty() ? "" : ", ") + std::to_string(photos) + " of " +
            std::to_string(shape.width) + " x " + std::to_string(shape.height) + " px";
    if (photos < m_recipe.training.batchSize) text += " (fewer than a batch, which repeats them)";
  }
  base::log(base::LogLevel::Info, "shapes of the photos in a pass: " + text);
}

/// The other ranks find what the first one has prepared.
Result<bool> Job::joinRun() {
  auto step =
      m_ranks.fromFirst(m_checkpoint ? std::to_string(m_checkpoint->manifest.step) : std::string());
  if (!step) return api::fail(step.error());
  if (m_ranks.isFirst()) return true;
  if (!step->empty()) {
    const fs::path folder = workspace::checkpointFolder(m_recipe.runFolder, std::stoll(*step));
    auto manifest = workspace::readManifest(folder);
    if (!manifest) return api::fail(manifest.error());
    m_checkpoint = FoundCheckpoint{folder, std::move(*manifest)};
  }
  return photoLatents();
}

Result<bool> Job::makeClassImages() {
  if (m_recipe.prior.classImages == 0) return true;
  auto own = data::openClassFolders(m_recipe, m_reporter.stop());
  if (!own) return api::fail(own.error());
  m_classPictures = std::move(*own);
  if (stopped()) return false;
  const auto start = Clock::now();
  auto files = makeClassPictures(m_recipe, *m_model, m_compute, m_ranks, m_reporter);
  if (!files) return api::fail(files.error());
  if (!*files) return false;
  m_classFiles = std::move(**files);
  m_classImageSeconds = std::chrono::duration<double>(Clock::now() - start).count();
  return true;
}

Result<bool> Job::classImages() {
  auto made = openClassPictures(m_recipe, m_classFiles);
  if (!made) return api::fail(made.error());
  std::ranges::move(*made, std::back_inserter(m_classPictures));
  return true;
}

/// Class pictures in every shape that photos have: the halves of a batch are of one shape.
std::vector<data::View> Job::classViews() const {
  std::vector<data::View> views;
  for (const image::Shape& shape : data::shapesOf(m_subjectLatents))
    views.push_back({shape.width, shape.height});
  return views;
}

/// This rank's part of the class latents, into the cache that all share.
Result<bool> Job::ownClassLatents() {
  if (m_classPictures.empty() || m_ranks.size() == 1) return true;
  m_reporter.stage(Stage::CacheLatents);
  const auto [begin, end] = m_ranks.share(static_cast<std::int64_t>(m_classPictures.size()));
  const auto own =
      latentCache().getAll({m_classPictures.begin() + begin, m_classPictures.begin() + end},
                           classViews(),
                           false,
                           Stage::CacheLatents,
                           m_reporter);
  if (!own) return api::fail(own.error());
  return !stopped();
}

Result<bool> Job::classLatents() {
  if (m_classPictures.empty()) return true;
  m_reporter.stage(Stage::CacheLatents);
  auto latents =
      latentCache().getAll(m_classPictures, classViews(), false, Stage::CacheLatents, m_reporter);
  if (!latents) return api::fail(latents.error());
  if (stopped()) return false;
  m_classLatents = std::move(*latents);
  tensor::releaseHostMemory();
  return true;
}

Result<void> Job::recordInputs() const {
  const char* dtype = m_compute == at::kBFloat16 ? "bf16"
                      : m_compute == at::kHalf   ? "fp16"
                                                 : "fp32";
  RunInputs inputs{m_device.str(), dtype, m_threads, {}, {}, m_ranks.size()};
  for (const auto& photo : m_photos) inputs.photos.push_back(describe(photo));
  for (const auto& picture : m_classPictures) inputs.classPictures.push_back(describe(picture));
  const auto stored = readInputs(m_recipe.runFolder);
  if (!stored) return api::fail(stored.error());
  if (m_checkpoint)
    for (const std::string& reason : inexactReasons(*stored, inputs))
      base::log(base::LogLevel::Warning, "continued inexactly: " + reason);
  return writeInputs(m_recipe.runFolder, inputs);
}

// ---- training

/// Puts a checkpoint's tensors into the trainer, file by file.
Result<void> Job::restore(Trainer& trainer) {
  const at::NoGradGuard noGradients;
  const auto damaged = [&](std::string_view file) {
    return api::fail(ErrorCode::DamagedCheckpoint,
                     {{"folder", m_checkpoint->folder.string()},
                      {"reason", std::string(file) + " does not fit this model"}});
  };
  for (const auto& [part, weights] : trainer.trainables().weights) {
    const std::string name = part + ".safetensors";
    auto tensors = tensor::loadSafetensors(m_checkpoint->folder / name);
    if (!tensors) return api::fail(tensors.error());
    if (tensors->size() != weights.size()) return damaged(name);
    for (const auto& [key, weight] : weights) {
      const auto found = tensors->find(key);
      if (found == tensors->end() || found->second.sizes() != weight.sizes()) return damaged(name);
      weight.copy_(found->second);
    }
  }
  auto state = tensor::loadSafetensors(m_checkpoint->folder / workspace::kOptimizerFile);
  if (!state) return api::fail(state.error());
  if (m_checkpoint->manifest.step > 0 && !trainer.load(std::move(*state)))
    return damaged(workspace::kOptimizerFile);
  return {};
}

/// What can be put away between samples.
RestingNetworks Job::resting(const Trainer& trainer) const {
  using enum weights::NetworkKind;
  if (!m_recipe.memory.offload) return {};
  RestingNetworks networks{{Vae}, m_loadOptions};
  if (!trainer.readsTextEncoders()) {
    networks.kinds.push_back(TextEncoder);
    if (m_model->isXl()) networks.kinds.push_back(TextEncoder2);
  }
  return networks;
}

Result<bool> Job::trainSteps() {
  m_reporter.stage(Stage::Train);
  Trainer trainer(*m_model,
                  m_recipe,
                  std::move(m_subjectLatents),
                  std::move(m_classLatents),
                  m_compute,
                  m_ranks);
  if (m_checkpoint)
    if (auto restored = restore(trainer); !restored) return api::fail(restored.error());
  std::optional<std::int64_t> lastStep;
  if (m_checkpoint) lastStep = m_checkpoint->manifest.step;
  if (!m_ranks.isFirst())
    return follow(trainer, lastStep.value_or(0), m_recipe.training.steps, m_ranks, m_reporter);
  if (auto opened = m_reporter.open(m_recipe, lastStep); !opened) return api::fail(opened.error());
  SampleMaker samples(*m_model, m_recipe, m_compute, resting(trainer));
  TrainingLoop loop(trainer, samples, m_ranks, m_recipe, m_photos, m_start, m_reporter);
  if (m_checkpoint) loop.continueFrom(*m_checkpoint);
  auto finished = loop.run();
  m_result.figures = loop.figures();
  if (const auto seconds = loop.secondsPerStep(); seconds && m_ranks.size() == 1)
    workspace::rememberSpeed(m_model->files.configs, m_recipe, m_conditions, *seconds);
  if (!loop.lastCheckpoint().empty()) m_result.artifacts.push_back(loop.lastCheckpoint());
  return finished;
}

}  // namespace

Result<base::JobResult> train(const api::TrainRequest& request,
                              const fs::path& resources,
                              base::Reporter& reporter) {
  const auto placement = base::placement();
  if (!placement) return api::fail(placement.error());
  const auto ranks = meet(*placement);
  if (!ranks) return api::fail(ranks.error());
  // A run of a project has the folder that the first rank chose.
  const auto folder = (*ranks)->fromFirst(request.runFolder.string());
  if (!folder) return api::fail(folder.error());
  api::TrainRequest shared = request;
  shared.runFolder = *folder;
  auto result = Job(shared, resources, reporter, *placement, **ranks).run();
  if (!result) (*ranks)->tell(result.error());
  return result;
}

}  // namespace likeness::train

// What is there already, what is to be done, and how long it takes.
#include "core/workspace/plan_training.h"

#include <algorithm>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/weights/weight_hash.h"
#include "core/workspace/class_images.h"
#include "core/workspace/recipe.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/training_speed.h"

namespace likeness::workspace {
namespace fs = std::filesystem;

namespace {

bool isThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// Whether it will compute on the CPU; "auto" takes a GPU that has a driver.
bool onCpu(const std::string& device) {
  return device == "cpu" || (device == "auto" && !isThere("/dev/nvidia0"));
}

bool computesInBf16(const api::ComputeOptions& compute, bool cpu) {
  if (compute.dtype != api::DType::Auto) return compute.dtype != api::DType::Fp32;
  return !cpu || base::cpuHasFastBf16();
}

/// Class pictures that have still to be made. Weights that were never hashed here have none.
std::int64_t missingClassImages(const api::TrainRequest& recipe,
                                const weights::StoredModel& model,
                                bool bf16) {
  const auto hash = weights::knownWeightHash(model);
  std::int64_t missing = 0;
  for (const auto& [subject, request] : classImagesRequests(recipe)) {
    const fs::path folder =
        hash ? request.outFolder /
                   classImageKey(classPictureRequest(request, *hash, model.resolution()),
                                 bf16 ? "BFloat16" : "Float")
             : fs::path();
    for (std::size_t i = 0; i < static_cast<std::size_t>(recipe.prior.classImages); ++i)
      missing += hash && isThere(folder / classImageFile(i)) ? 0 : 1;
  }
  return missing;
}

SpeedConditions speedConditions(const weights::ModelConfigs& configs,
                                const api::TrainRequest& recipe,
                                const RunConditions& conditions) {
  SpeedConditions speed{0, conditions.bf16, recipe.compute.threads};
  for (const auto& [key, shape] : weights::networkTensors(configs.unet))
    speed.unetParameters += weights::elementCount(shape);
  return speed;
}

}  // namespace

RunConditions runConditions(const api::TrainRequest& recipe,
                            const weights::StoredModel& model,
                            bool cpu,
                            bool bf16) {
  RunConditions conditions{bf16, missingClassImages(recipe, model, bf16), 0};
  if (!cpu) return conditions;
  conditions.availableMiB = base::availableMemoryMiB();
  if (const std::int64_t limit = recipe.compute.memoryLimit; limit > 0)
    conditions.availableMiB = std::min(conditions.availableMiB, limit);
  return conditions;
}

void rememberSpeed(const weights::ModelConfigs& configs,
                   const api::TrainRequest& recipe,
                   const RunConditions& conditions,
                   double secondsPerStep) {
  if (conditions.availableMiB == 0) return;
  rememberTrainingSpeed(speedConditions(configs, recipe, conditions),
                        workOf(configs, recipe, conditions, 0).step / secondsPerStep);
}

api::Result<api::TrainingPlan> planTraining(const api::TrainRequest& request,
                                            const fs::path& resources) {
  const auto files = resolveModel(request.base, resources);
  if (!files) return api::fail(files.error());
  const auto model = weights::openModel(files->files);
  if (!model) return api::fail(model.error());
  if (auto known = weights::requireNetworks(*model); !known) return api::fail(known.error());
  const api::TrainRequest recipe = completeRecipe(request, model->resolution());
  const weights::ModelConfigs& configs = model->configs;

  const bool cpu = onCpu(recipe.compute.device);
  const RunConditions conditions =
      runConditions(recipe, *model, cpu, computesInBf16(recipe.compute, cpu));
  api::TrainingPlan plan;
  plan.steps = recipe.training.steps;
  const auto photos = api::photoCount(recipe);
  plan.passesPerPhoto = static_cast<double>(plan.steps * recipe.training.batchSize *
                                            recipe.training.gradientAccumulation) /
                        static_cast<double>(std::max<std::int64_t>(1, photos));
  plan.trainedParameters = trainedPart(configs, recipe).parameters;
  plan.memory = peakMemory(configs, recipe, conditions);
  plan.availableMiB = conditions.availableMiB;
  plan.disk = diskUse(configs, recipe, conditions);
  plan.freeBytes = base::freeBytes(recipe.runFolder);
  plan.classImages = conditions.classImages;
  const auto checkpoints =
      recipe.resume ? listCheckpoints(recipe.runFolder) : std::vector<CheckpointInfo>();
  const std::int64_t left =
      std::max<std::int64_t>(0, plan.steps - (checkpoints.empty() ? 0 : checkpoints.back().step));
  const Work work = workOf(configs, recipe, conditions, left);
  plan.seconds = (work.step * static_cast<double>(left) + work.beside) /
                 trainingSpeed(speedConditions(configs, recipe, conditions));
  plan.obstacle = obstacleTo(configs, recipe, conditions);
  return plan;
}

}  // namespace likeness::workspace

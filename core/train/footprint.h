// What a training will need, predicted before it begins, so that it is refused with advice instead
// of being killed half-way.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/api/requests.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::train {

/// Sizes of a model from its configs and file headers alone.
struct ModelSize {
  std::int64_t unetParameters = 0, textParameters = 0, vaeParameters = 0;
  std::int64_t resolution = 0;
  std::int64_t latentFactor = 8;  ///< pixels per latent
  nn::UNet2DConditionConfig unet;
  std::vector<nn::ClipTextConfig> texts;
  std::int64_t vaeChannels = 128;  ///< at full resolution
};
ModelSize measureModel(const weights::StoredModel& model);

/// Parameters that the complete recipe trains.
std::int64_t trainedParameters(const ModelSize& size, const api::TrainRequest& recipe);
/// MiB beyond the running process: weights, gradients, the optimizer's state, activations.
std::int64_t trainingMiB(const ModelSize& size,
                         const api::TrainRequest& recipe,
                         at::ScalarType compute);
/// Bytes of one checkpoint.
std::uint64_t checkpointBytes(const ModelSize& size, const api::TrainRequest& recipe);

/// Errors: NotEnoughMemory, naming the smallest change of the recipe that fits; DiskFull when the
/// checkpoints that are kept at a time would not fit. Memory is looked at for the CPU only.
api::Result<void> checkResources(const ModelSize& size,
                                 const api::TrainRequest& recipe,
                                 const at::Device& device,
                                 at::ScalarType compute);

}  // namespace likeness::train

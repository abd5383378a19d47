// What of a model a recipe trains.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/nn/stable_diffusion.h"
#include "core/train/optimizer.h"

namespace likeness::train {

struct Trainables {
  std::vector<Trainable> parameters;
  /// What is saved, by part ("unet", "text_encoder", "text_encoder_2", "adapter") and by key,
  /// sharing memory: all of each network that is trained.
  std::map<std::string, tensor::StateDict> weights;
};

/// Marks what a complete recipe trains: a LoRA is attached fresh to the UNet; else the UNet's
/// parameters, and the text encoders' when asked for (those that the conditioning depends on).
Trainables markTrainable(nn::StableDiffusion& model, const api::TrainRequest& recipe);

}  // namespace likeness::train

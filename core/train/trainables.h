// What of a model a recipe trains, and when.
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
  /// What is saved, by part ("unet", "text_encoder", "text_encoder_2", "adapter", and for each
  /// subject workspace::wordPart) and by key, sharing memory: all of each network of which
  /// something is trained.
  std::map<std::string, tensor::StateDict> weights;
  std::map<std::string, std::string> metadata;  ///< of the files of those parts
  /// The step from which on a prompt always becomes the same; 0 = nothing that reads words is
  /// trained.
  std::int64_t textUntil = 0;
};

/// Marks what a complete recipe trains:
///   full: the parameters of the UNet (those that `layers` names) and, when asked for, those of the
///     text encoders that the conditioning depends on, until their stop;
///   lora: fresh adapters of the UNet and, when asked for, of the text encoders;
///   textual-inversion, or vectors for the others: each subject's token becomes a word of its own,
///     whose vectors are learned alone in their part of the steps (always, with the former). They
///     begin as `initialWord`, or as the subject's class word where that is empty.
Trainables markTrainable(nn::StableDiffusion& model, const api::TrainRequest& recipe);

/// That every part of a name which the recipe's method chooses layers by is one of this UNet's.
/// Error: BadCombination naming the part and what is near.
api::Result<void> checkLayerNames(const api::TrainRequest& recipe,
                                  const nn::UNet2DConditionConfig& unet);

}  // namespace likeness::train

// A tiny model, a recipe for it and latents without any picture behind them.
#pragma once

#include <gmock/gmock.h>

#include "core/train/trainer.h"
#include "core/workspace/recipe.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace likeness::train::test {

inline nn::StableDiffusion loadTiny(const std::filesystem::path& folder,
                                    at::ScalarType dtype = at::kFloat) {
  nn::LoadOptions options;
  options.dtype = dtype;
  return nn::loadStableDiffusion({folder}, options).value();
}

/// Random posteriors and sizes of `count` pictures.
data::LatentSet randomLatents(std::int64_t count, const std::string& prompt, std::uint64_t seed);

inline constexpr std::int64_t kPhotos = 3, kClassPictures = 4;

/// A complete recipe for the tiny model.
api::TrainRequest tinyRecipe(api::Method method, bool withClass);

/// The tiny model with a trainer on it.
struct TinyTraining {
  TinyTraining(const std::filesystem::path& folder,
               const api::TrainRequest& recipe,
               at::ScalarType compute = at::kFloat)
      : model(loadTiny(folder)),
        trainer(model,
                recipe,
                randomLatents(kPhotos, "a photo of sks toy", 1),
                randomLatents(recipe.prior.classImages, "a photo of toy", 2),
                compute,
                ranks) {}
  nn::StableDiffusion model;
  Ranks ranks;  ///< a process alone
  Trainer trainer;
};

/// One tiny model of each kind for all tests of a program.
enum class Tiny { Noise, Velocity, Velocity2, Xl };  ///< 1, 1 and 2 with v-prediction, XL
const std::filesystem::path& tinyModel(Tiny kind = Tiny::Noise);

/// Everything a model consists of, trained or not: a copy by "NETWORK.KEY".
tensor::StateDict everything(const nn::StableDiffusion& model);
/// "PART.KEY" -> a copy of what is trained.
tensor::StateDict copyOfWeights(const Trainer& trainer);

}  // namespace likeness::train::test

// Shared parts of the trainer's tests.
#include "tests/core/train/fixture.h"

#include <map>

#include "core/tensor/random_tensor.h"

namespace likeness::train::test {

const std::filesystem::path& tinyModel(Tiny kind) {
  static const support::TempFolder folder;
  static std::map<Tiny, std::filesystem::path> made;
  const auto [model, isNew] = made.emplace(kind, folder / std::to_string(static_cast<int>(kind)));
  if (!isNew) return model->second;
  support::TinyModelOptions options;
  options.vPrediction = kind == Tiny::Velocity || kind == Tiny::Velocity2;
  options.seed = options.vPrediction ? 2 : 1;
  using enum support::TinyFamily;
  options.family = kind == Tiny::Xl          ? StableDiffusionXl
                   : kind == Tiny::Velocity2 ? StableDiffusion2
                                             : StableDiffusion1;
  support::makeTinyModel(model->second, options);
  return model->second;
}

data::LatentSet randomLatents(std::int64_t count, const std::string& prompt, std::uint64_t seed) {
  data::LatentSet set;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto draw = [&](std::uint64_t which) {
      return tensor::normal(
          {4, 8, 8}, base::Random(seed, base::Purpose::Test, which, static_cast<std::uint64_t>(i)));
    };
    set.plain.push_back({draw(0), draw(1).abs().mul(0.1), {20 + i, 24, i, 1, 16, 16}});
    set.mirrored.push_back({draw(2), draw(3).abs().mul(0.1), {20 + i, 24, i, 7, 16, 16}});
    data::TrainingPicture picture;
    picture.prompts = {prompt};
    set.pictures.push_back(std::move(picture));
  }
  return set;
}

api::TrainRequest tinyRecipe(api::Method method, bool withClass) {
  api::TrainRequest request;
  request.subject.classWord = "toy";
  request.training.method = method;
  request.training.steps = 10;
  request.training.learningRate = request.lora.learningRate = 1e-3;
  request.training.textEncoderLearningRate = 5e-4;
  request.training.seed = 7;
  request.lora.rank = 2;
  request.lora.alpha = 3;
  request.prior.classImages = withClass ? kClassPictures : 0;
  request.prior.weight = 0.7;
  request.optimizer.weightDecay = 0;
  return workspace::completeRecipe(request, 16);
}

tensor::StateDict everything(const nn::StableDiffusion& model) {
  tensor::StateDict all;
  for (const auto& [name, store] : {std::pair("unet.", model.unet.store),
                                    std::pair("text_encoder.", model.textEncoder.store),
                                    std::pair("text_encoder_2.", model.textEncoder2.store),
                                    std::pair("vae.", model.vae.store)})
    for (const auto& [key, tensor] : store ? store->parameters() : tensor::StateDict{})
      all.emplace(name + key, tensor.detach().clone());
  return all;
}

tensor::StateDict copyOfWeights(const Trainer& trainer) {
  tensor::StateDict copy;
  for (const auto& [part, weights] : trainer.trainables().weights)
    for (const auto& [key, weight] : weights)
      copy.emplace(part + "." + key, weight.detach().clone());
  return copy;
}

}  // namespace likeness::train::test

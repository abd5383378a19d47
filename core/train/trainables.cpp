// From a recipe to leaves that want gradients.
#include "core/train/trainables.h"

#include <functional>

#include "core/nn/adapters.h"

namespace likeness::train {

Trainables markTrainable(nn::StableDiffusion& model, const api::TrainRequest& recipe) {
  Trainables marked;
  const auto add = [&](const std::string& part,
                       const tensor::StateDict& tensors,
                       double rate,
                       const std::function<bool(const std::string&)>& isUsed = {}) {
    for (const auto& [key, tensor] : tensors)
      if (!isUsed || isUsed(key))
        marked.parameters.push_back({part + "." + key, tensor.requires_grad_(true), rate});
    marked.weights[part] = tensors;
  };
  const api::TrainingOptions& training = recipe.training;
  if (training.method == api::Method::Lora) {
    add("adapter",
        nn::attachLora(*model.unet.store, recipe.lora, static_cast<std::uint64_t>(training.seed)),
        recipe.lora.learningRate);
    return marked;
  }
  add("unet", model.unet.store->parameters(), training.learningRate);
  if (!training.trainTextEncoder) return marked;
  for (const auto& [part, encoder] : {std::pair("text_encoder", &model.textEncoder),
                                      std::pair("text_encoder_2", &model.textEncoder2)}) {
    if (!encoder->model) continue;
    add(part,
        encoder->store->parameters(),
        training.textEncoderLearningRate,
        [&, &clip = *encoder->model](const std::string& key) {
          return !model.isXl() || clip.isReadByXl(key);
        });
  }
  return marked;
}

}  // namespace likeness::train

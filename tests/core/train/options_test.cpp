// Numbers of the training that have no test of their own: each must reach the weights.
#include <functional>

#include "tests/core/train/fixture.h"

namespace likeness::train::test {
namespace {

using api::Method;

tensor::StateDict learned(Method method, const std::function<void(api::TrainRequest&)>& change) {
  api::TrainRequest recipe = tinyRecipe(method, true);
  change(recipe);
  TinyTraining training(tinyModel(), recipe);
  for (std::int64_t step = 0; step < 2; ++step)
    if (const auto done = training.trainer.step(step); !done)
      ADD_FAILURE() << api::message(done.error());
  return copyOfWeights(training.trainer);
}

/// Whether every tensor of the part ("unet.", "text_encoder.", "adapter.") is the same.
bool same(const tensor::StateDict& a, const tensor::StateDict& b, std::string_view part) {
  for (const auto& [key, tensor] : a)
    if (key.starts_with(part) && !tensor.equal(b.at(key))) return false;
  return true;
}

TEST(OptionsTest, EachChangesWhatIsLearned) {
  struct Case {
    const char* option;
    Method method;
    const char* part;  ///< that is another then
    std::function<void(api::TrainRequest&)> change;
  };
  const Case cases[] = {
      {"learningRate", Method::Full, "unet.", [](auto& r) { r.training.learningRate *= 2; }},
      {"textEncoderLearningRate",
       Method::Full,
       "text_encoder.",
       [](auto& r) { r.training.textEncoderLearningRate *= 2; }},
      {"seed", Method::Full, "unet.", [](auto& r) { r.training.seed = 8; }},
      {"batchSize", Method::Full, "unet.", [](auto& r) { r.training.batchSize = 2; }},
      {"gradientAccumulation",
       Method::Full,
       "unet.",
       [](auto& r) { r.training.gradientAccumulation = 2; }},
      {"maxGradNorm", Method::Full, "unet.", [](auto& r) { r.training.maxGradNorm = 1e-4; }},
      {"lrSchedule",
       Method::Full,
       "unet.",
       [](auto& r) { r.training.lrSchedule = api::LrScheduleKind::Linear; }},
      {"lrWarmup", Method::Full, "unet.", [](auto& r) { r.training.lrWarmup = 0.5; }},
      {"priorWeight", Method::Full, "unet.", [](auto& r) { r.prior.weight = 1.4; }},
      {"beta1", Method::Full, "unet.", [](auto& r) { r.optimizer.beta1 = 0.5; }},
      {"beta2", Method::Full, "unet.", [](auto& r) { r.optimizer.beta2 = 0.9; }},
      {"epsilon", Method::Full, "unet.", [](auto& r) { r.optimizer.epsilon = 1e-3; }},
      {"weightDecay", Method::Full, "unet.", [](auto& r) { r.optimizer.weightDecay = 0.5; }},
      {"alpha", Method::Lora, "adapter.", [](auto& r) { r.lora.alpha = 6; }},
      {"loraLearningRate", Method::Lora, "adapter.", [](auto& r) { r.lora.learningRate *= 2; }},
  };
  const tensor::StateDict plain[] = {learned(Method::Full, [](auto&) {}),
                                     learned(Method::Lora, [](auto&) {})};
  EXPECT_TRUE(same(plain[0], learned(Method::Full, [](auto&) {}), "")) << "else nothing is shown";
  for (const Case& c : cases)
    EXPECT_FALSE(same(plain[c.method == Method::Lora], learned(c.method, c.change), c.part))
        << c.option;
}

}  // namespace
}  // namespace likeness::train::test

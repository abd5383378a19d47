// One step's loss and every gradient against the same networks in fp64, with DreamBooth's formulas
// written out once more, picture by picture.
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <cmath>

#include "tests/core/train/fixture.h"

namespace likeness::train::test {
namespace {

using base::Purpose;

constexpr std::int64_t kStep = 5;

struct Case {
  api::Method method;
  bool withClass;
  std::int64_t accumulation;
  Tiny model = Tiny::Noise;
  bool ofText = false;  ///< a LoRA of the text encoders, too
};

/// The model in double, its adapters copied from the trainer's.
class Reference {
 public:
  Reference(const std::filesystem::path& folder, const api::TrainRequest& recipe)
      : m_model(loadTiny(folder, at::kDouble)), m_recipe(recipe) {
    const double first = std::sqrt(0.00085), last = std::sqrt(0.012);
    double product = 1;
    for (int t = 0; t < 1000; ++t) {
      const double root = first + (last - first) * t / 999;
      m_signal.push_back(product *= 1 - root * root);
    }
  }

  void train(const std::vector<Trainable>& trained) {
    for (const Trainable& p : trained) {
      const auto dot = p.key.find('.');
      m_leaves[p.key] = leaf(p.key.substr(0, dot), p.key.substr(dot + 1), p.value);
    }
  }

  /// Mean squared error of one picture of the step, as a scalar of the graph.
  at::Tensor error(std::int64_t position, bool ofClass) {
    const auto stream = [&](Purpose purpose) {
      return base::Random(static_cast<std::uint64_t>(m_recipe.training.seed),
                          purpose,
                          kStep,
                          static_cast<std::uint64_t>(2 * position + (ofClass ? 1 : 0)));
    };
    const auto normal = [&](Purpose purpose) {
      std::vector<float> values(4 * 8 * 8);
      stream(purpose).normal(values);
      return at::from_blob(values.data(), {1, 4, 8, 8}, at::kFloat).to(at::kDouble);
    };
    const std::string prompt = ofClass ? "a photo of toy" : "a photo of sks toy";
    const std::int64_t count = ofClass ? kClassPictures : kPhotos;
    const auto set = randomLatents(count, prompt, ofClass ? 2 : 1);
    const std::int64_t sample =
        kStep * m_recipe.training.batchSize * m_recipe.training.gradientAccumulation + position;
    const auto order = data::epochOrder(static_cast<std::uint64_t>(m_recipe.training.seed),
                                        ofClass ? data::Half::Class : data::Half::Subject,
                                        sample / count,
                                        count);
    const data::Latents& picture =
        set.plain[static_cast<std::size_t>(order[static_cast<std::size_t>(sample % count)])];

    const at::Tensor latents = (picture.mean.to(at::kDouble).unsqueeze(0) +
                                picture.std.to(at::kDouble) * normal(Purpose::Posterior)) *
                               0.5;
    const at::Tensor noise = normal(Purpose::Noise);
    const auto t = static_cast<std::int64_t>(stream(Purpose::Timestep).below(1000));
    const double a = std::sqrt(m_signal[static_cast<std::size_t>(t)]);
    const double s = std::sqrt(1 - m_signal[static_cast<std::size_t>(t)]);
    const bool velocity = m_model.schedule.predictionType == nn::PredictionType::VPrediction;
    const at::Tensor target = velocity ? a * noise - s * latents : noise;
    const at::Tensor timestep = at::full({1}, t, at::kLong);
    nn::Conditioning text = nn::encodeText(m_model, {prompt});
    if (m_model.isXl())
      text.timeIds =
          at::tensor({20 + picture.size.cropTop, 24L, picture.size.cropTop, 1L, 16L, 16L},
                     at::kFloat)
              .unsqueeze(0);
    const at::Tensor predicted =
        m_model.unet.model->forward(a * latents + s * noise, timestep, text);
    return (predicted - target).square().mean();
  }

  const tensor::StateDict& leaves() const { return m_leaves; }

 private:
  at::Tensor leaf(const std::string& part, const std::string& path, const at::Tensor& value) {
    const bool adapts = part == "adapter";
    const std::string network = adapts ? path.substr(0, path.find('.')) : part,
                      key = adapts ? path.substr(network.size() + 1) : path;
    const nn::ParameterStore& store = network == "unet"           ? *m_model.unet.store
                                      : network == "text_encoder" ? *m_model.textEncoder.store
                                                                  : *m_model.textEncoder2.store;
    if (!adapts) return store.parameters().at(key).requires_grad_(true);
    const at::Tensor copy = value.detach().to(at::kDouble).requires_grad_(true);
    const auto end = key.find(".lora_");
    auto& adapters = store.slots().at(key.substr(0, end))->adapters;
    if (adapters.empty())
      adapters.push_back({{}, {}, m_recipe.lora.alpha / static_cast<double>(m_recipe.lora.rank)});
    (key.substr(end) == ".lora_A.weight" ? adapters[0].down : adapters[0].up) = copy;
    return copy;
  }

  nn::StableDiffusion m_model;
  api::TrainRequest m_recipe;
  std::vector<double> m_signal;  ///< cumulative product of alphas
  tensor::StateDict m_leaves;
};

class GradientTest : public testing::TestWithParam<Case> {};

TEST_P(GradientTest, LossAndEveryGradientEqualAnFp64Reference) {
  const auto& [method, withClass, accumulation, model, ofText] = GetParam();
  api::TrainRequest recipe = tinyRecipe(method, withClass);
  recipe.training.batchSize = 2;
  recipe.training.gradientAccumulation = accumulation;
  recipe.lora.textEncoder = ofText;
  TinyTraining setup(tinyModel(model), recipe);
  // A fresh adapter's up matrix is 0, which would hide the down matrix's gradient.
  if (method == api::Method::Lora)
    for (const auto& [key, weight] : setup.trainer.trainables().weights.at("adapter"))
      if (key.ends_with("lora_B.weight"))
        weight.detach().copy_(randomLatents(1, "", 9)
                                  .plain[0]
                                  .mean.flatten()
                                  .repeat({4})
                                  .slice(0, 0, weight.numel())
                                  .view(weight.sizes()) *
                              0.1);

  const Losses losses = setup.trainer.gradients(kStep);

  Reference reference(tinyModel(model), recipe);
  reference.train(setup.trainer.optimizer().parameters());
  const std::int64_t pictures = 2 * accumulation;
  double subject = 0, ofClass = 0;
  for (std::int64_t i = 0; i < pictures; ++i) {
    const at::Tensor error = reference.error(i, false) / static_cast<double>(pictures);
    subject += error.item<double>();
    error.backward();
    if (!withClass) continue;
    const at::Tensor classError = reference.error(i, true) / static_cast<double>(pictures);
    ofClass += classError.item<double>();
    (classError * recipe.prior.weight).backward();
  }
  EXPECT_NEAR(losses.subject, subject, 1e-5 * subject);
  ASSERT_EQ(losses.classHalf.has_value(), withClass);
  if (withClass) {
    EXPECT_NEAR(*losses.classHalf, ofClass, 1e-5 * ofClass);
  }

  double all = 0;
  for (const auto& [key, leaf] : reference.leaves())
    all += std::pow(leaf.grad().norm().item<double>(), 2);
  all = std::sqrt(all);
  ASSERT_EQ(setup.trainer.optimizer().parameters().size(), reference.leaves().size());
  for (const Trainable& p : setup.trainer.optimizer().parameters()) {
    ASSERT_TRUE(p.value.grad().defined()) << p.key;
    const at::Tensor expected = reference.leaves().at(p.key).grad();
    const double difference = (p.value.grad().to(at::kDouble) - expected).norm().item<double>();
    EXPECT_LE(difference, 1e-4 * (expected.norm().item<double>() + 1e-3 * all)) << p.key;
  }
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (const api::Method method : {api::Method::Full, api::Method::Lora})
    for (const bool withClass : {false, true})
      for (const std::int64_t accumulation : {1, 3})
        cases.push_back({method, withClass, accumulation});
  cases.push_back({api::Method::Full, true, 1, Tiny::Velocity});
  cases.push_back({api::Method::Full, true, 1, Tiny::Velocity2});
  cases.push_back({api::Method::Full, true, 1, Tiny::Xl});
  cases.push_back({api::Method::Lora, true, 3, Tiny::Xl});
  cases.push_back({api::Method::Lora, true, 1, Tiny::Noise, true});
  cases.push_back({api::Method::Lora, true, 1, Tiny::Xl, true});
  return cases;
}

std::string nameOf(const testing::TestParamInfo<Case>& test) {
  const auto model = std::array{"", "Velocity", "Velocity2", "Xl"};
  return std::string(api::enumName(test.param.method)) +
         (test.param.withClass ? "WithClass" : "Alone") + std::to_string(test.param.accumulation) +
         model[static_cast<std::size_t>(test.param.model)] + (test.param.ofText ? "Text" : "");
}
INSTANTIATE_TEST_SUITE_P(All, GradientTest, testing::ValuesIn(allCases()), nameOf);

}  // namespace
}  // namespace likeness::train::test

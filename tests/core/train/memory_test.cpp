// What saves memory changes no result.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/function.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "core/nn/encode_text.h"
#include "core/tensor/random_tensor.h"
#include "core/train/train.h"
#include "tests/core/train/driver/recipe.h"
#include "tests/core/train/fixture.h"
#include "tests/support/recording_reporter.h"

namespace likeness::train::test {
namespace {

using api::Method;

/// Fresh adapters add nothing and hide the gradient of their down matrices.
void fillAdapter(const Trainer& trainer) {
  const auto adapter = trainer.trainables().weights.find("adapter");
  if (adapter == trainer.trainables().weights.end()) return;
  for (const auto& [key, weight] : adapter->second)
    weight.detach().copy_(tensor::normal(weight.sizes(), base::Random(3, base::Purpose::Test, 0)) *
                          0.1);
}

struct Gradients {
  Losses losses;
  std::map<std::string, at::Tensor> byKey;
};

Gradients gradientsOf(Trainer& trainer, std::int64_t step) {
  Gradients gradients{trainer.gradients(step), {}};
  for (const Trainable& p : trainer.optimizer().parameters())
    gradients.byKey[p.key] = p.value.grad();
  return gradients;
}

/// Names of the nodes of autograd's graph behind a tensor.
std::multiset<std::string> graphOf(const at::Tensor& tensor) {
  std::multiset<std::string> names;
  std::set<torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> open{tensor.grad_fn().get()};
  while (!open.empty()) {
    torch::autograd::Node* node = open.back();
    open.pop_back();
    if (!node || !seen.insert(node).second) continue;
    names.insert(node->name());
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return names;
}

struct CheckpointingCase {
  Method method;
  Tiny model;
  at::ScalarType compute;
  std::int64_t accumulation;
  std::vector<std::string> targets = {};  ///< of the LoRA; empty = the usual ones
};

TEST(MemoryTest, CheckpointingChangesNoBitOfALossOrGradient) {
  const std::vector<CheckpointingCase> cases{
      {Method::Full, Tiny::Noise, at::kFloat, 1},
      {Method::Full, Tiny::Noise, at::kFloat, 3},
      {Method::Full, Tiny::Noise, at::kBFloat16, 2},
      {Method::Full, Tiny::Velocity2, at::kFloat, 1},
      {Method::Full, Tiny::Xl, at::kFloat, 1},
      {Method::Full, Tiny::Xl, at::kBFloat16, 1},
      {Method::Lora, Tiny::Noise, at::kFloat, 3},
      {Method::Lora, Tiny::Noise, at::kBFloat16, 1},
      {Method::Lora, Tiny::Xl, at::kFloat, 1},
      // The first block: nothing that enters it wants a gradient.
      {Method::Lora,
       Tiny::Noise,
       at::kFloat,
       1,
       {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"}},
      // The last: the blocks before it have nothing to learn.
      {Method::Lora,
       Tiny::Noise,
       at::kFloat,
       1,
       {"up_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k"}},
  };
  for (const CheckpointingCase& c : cases) {
    SCOPED_TRACE(std::string(api::enumName(c.method)) + " " +
                 std::to_string(static_cast<int>(c.model)) + " " + c10::toString(c.compute) + " " +
                 std::to_string(c.accumulation));
    auto recipe = tinyRecipe(c.method, true);
    recipe.training.batchSize = 2;
    recipe.training.gradientAccumulation = c.accumulation;
    if (!c.targets.empty()) recipe.lora.targets = c.targets;
    TinyTraining plain(tinyModel(c.model), recipe, c.compute);
    recipe.memory.checkpointing = true;
    TinyTraining saving(tinyModel(c.model), recipe, c.compute);
    fillAdapter(plain.trainer);
    fillAdapter(saving.trainer);
    const Gradients a = gradientsOf(plain.trainer, 3), b = gradientsOf(saving.trainer, 3);
    EXPECT_EQ(a.losses.subject, b.losses.subject);
    EXPECT_EQ(a.losses.classHalf, b.losses.classHalf);
    ASSERT_EQ(a.byKey.size(), b.byKey.size());
    for (const auto& [key, gradient] : a.byKey) {
      ASSERT_TRUE(gradient.defined() && b.byKey.at(key).defined()) << key;
      EXPECT_TRUE(gradient.equal(b.byKey.at(key))) << key;
      EXPECT_GT(gradient.abs().max().item<double>(), 0) << key;
    }
  }
}

TEST(MemoryTest, CheckpointingKeepsBlocksAloneAndOnlyThoseThatLearn) {
  const auto graph = [](Method method, bool checkpointing) {
    auto recipe = tinyRecipe(method, false);
    recipe.memory.checkpointing = checkpointing;
    if (method == Method::Lora)
      recipe.lora.targets = {"up_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k"};
    TinyTraining setup(tinyModel(), recipe);
    const at::Tensor latents = randomLatents(1, "", 4).plain[0].mean.unsqueeze(0);
    return graphOf(setup.model.unet.model->forward(
        latents, at::tensor({5L}), nn::encodeText(setup.model, {"a photo of sks toy"})));
  };
  const std::string name = "GradientCheckpoint";
  const auto plain = graph(Method::Full, false), full = graph(Method::Full, true);
  EXPECT_EQ(plain.count(name), 0U);
  EXPECT_LT(2 * full.size(), plain.size());
  EXPECT_GE(full.count(name), 8U);
  // The last transformer block alone.
  EXPECT_EQ(graph(Method::Lora, true).count(name), 1U);
}

TEST(MemoryTest, CheckpointingRecordsNothingWithoutGradients) {
  auto recipe = tinyRecipe(Method::Full, true);
  TinyTraining plain(tinyModel(), recipe);
  recipe.memory.checkpointing = true;
  TinyTraining saving(tinyModel(), recipe);
  EXPECT_EQ(plain.trainer.probe().subject, saving.trainer.probe().subject);
  for (std::int64_t step = 0; step < 2; ++step) {
    ASSERT_TRUE(plain.trainer.step(step));
    ASSERT_TRUE(saving.trainer.step(step));
  }
  const auto a = copyOfWeights(plain.trainer), b = copyOfWeights(saving.trainer);
  for (const auto& [key, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(key))) << key;
}

/// LibTorch's allocator, which refuses what is larger than `limit`.
class SmallMemory final : public c10::Allocator {
 public:
  explicit SmallMemory(std::size_t limit) : m_limit(limit) { c10::SetCPUAllocator(this, 9); }
  ~SmallMemory() override { c10::SetCPUAllocator(m_real, 9); }
  c10::DataPtr allocate(std::size_t bytes) override {
    m_largest = std::max(m_largest, bytes);
    TORCH_CHECK_WITH(OutOfMemoryError, bytes <= m_limit, "tried to allocate too much");
    return m_real->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return m_real->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  std::size_t largest() const { return m_largest; }

 private:
  c10::Allocator* m_real = c10::GetCPUAllocator();
  std::size_t m_limit, m_largest = 0;
};

/// The largest allocation of a step with `batch` pictures at a time.
std::size_t largestAllocation(api::TrainRequest recipe, std::int64_t batch) {
  recipe.training.batchSize = batch;
  TinyTraining setup(tinyModel(), recipe);
  const SmallMemory memory(std::size_t{1} << 40);
  setup.trainer.gradients(3);
  return memory.largest();
}

TEST(MemoryTest, WithoutMemoryForABatchItIsHalvedAndTheGradientsStay) {
  auto recipe = tinyRecipe(Method::Lora, false);
  recipe.training.gradientAccumulation = 2;
  const std::size_t one = largestAllocation(recipe, 1), two = largestAllocation(recipe, 2);
  ASSERT_LT(one, two);
  for (const auto& [batch, limit, expected] : {std::tuple(3, one, 1),
                                               std::tuple(3, 2 * two, 3),
                                               std::tuple(4, two, 2),
                                               std::tuple(4, one, 1)}) {
    recipe.training.batchSize = batch;
    TinyTraining whole(tinyModel(), recipe), divided(tinyModel(), recipe);
    fillAdapter(whole.trainer);
    fillAdapter(divided.trainer);
    const Gradients a = gradientsOf(whole.trainer, 3);
    EXPECT_EQ(whole.trainer.microBatch(), batch);
    Gradients b;
    {
      const SmallMemory memory(limit);
      b = gradientsOf(divided.trainer, 3);
    }
    EXPECT_EQ(divided.trainer.microBatch(), expected);
    EXPECT_NEAR(a.losses.subject, b.losses.subject, 1e-6 * a.losses.subject);
    for (const auto& [key, gradient] : a.byKey)
      EXPECT_LE((gradient - b.byKey.at(key)).norm().item<double>(),
                1e-5 * gradient.norm().item<double>())
          << key;
  }
}

TEST(MemoryTest, WithoutMemoryForOnePictureTheStepFails) {
  auto recipe = tinyRecipe(Method::Lora, true);
  recipe.training.batchSize = 2;
  TinyTraining setup(tinyModel(), recipe);
  const SmallMemory memory(largestAllocation(recipe, 1) / 2);
  EXPECT_THROW(setup.trainer.gradients(0), c10::OutOfMemoryError);
}

TEST(MemoryTest, WhatIsPutAwayIsFreedAndComesBackAsItWas) {
  using enum weights::NetworkKind;
  for (const Tiny kind : {Tiny::Noise, Tiny::Xl}) {
    auto model = loadTiny(tinyModel(kind));
    std::vector<weights::NetworkKind> kinds{Vae, TextEncoder};
    if (model.isXl()) kinds.push_back(TextEncoder2);
    const auto before = everything(model);
    const std::weak_ptr<nn::ParameterStore> vae = model.vae.store, text = model.textEncoder.store;
    nn::putAway(model, kinds);
    EXPECT_TRUE(vae.expired() && text.expired());
    EXPECT_EQ(model.isXl(), kind == Tiny::Xl);
    EXPECT_TRUE(nn::bringBack(model, kinds, {}, {}).value());
    const auto after = everything(model);
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [key, tensor] : before) EXPECT_TRUE(tensor.equal(after.at(key))) << key;
  }
}

/// A whole job on a model of its own, of which a part may be damaged once there is a picture.
struct OffloadRun {
  OffloadRun(bool offload,
             const std::string& damaged = {},
             api::PictureKind when = api::PictureKind::Sample) {
    support::makePhotos(folder / "photos", 2);
    support::makeTinyModel(folder / "model", {});
    auto request = jobRequest(folder / "model", folder / "photos", folder / "run");
    request.training.method = Method::Lora;
    request.memory.offload = offload;
    if (!damaged.empty())  // cut off in place: open files stay readable when they are removed
      reporter.onPicture = [this, damaged, when](const api::PictureReady& picture) {
        if (picture.kind != when) return;
        for (const auto& entry : std::filesystem::directory_iterator(folder / "model" / damaged))
          if (entry.path().extension() == ".safetensors")
            std::filesystem::resize_file(entry.path(), 100);
      };
    result = train(request, {}, reporter);
  }
  std::vector<api::Image> samples() const {
    std::vector<api::Image> images;
    for (const auto& picture : reporter.of(api::PictureKind::Sample))
      images.push_back(picture.image);
    return images;
  }
  support::TempFolder folder;
  support::RecordingReporter reporter;
  api::Result<base::JobResult> result;
};

TEST(MemoryTest, OffloadingChangesNoSample) {
  const OffloadRun resident(false), offloaded(true);
  ASSERT_TRUE(resident.result && offloaded.result);
  EXPECT_EQ(resident.samples().size(), 3U);
  EXPECT_EQ(resident.samples(), offloaded.samples());
}

/// Only who reads the files again misses them; the run itself goes on.
TEST(MemoryTest, OffloadedNetworksAreReadAgainForSamples) {
  const OffloadRun resident(false, "vae"), offloaded(true, "vae");
  ASSERT_TRUE(resident.result && offloaded.result);
  EXPECT_EQ(resident.samples().size(), 3U);
  EXPECT_TRUE(resident.reporter.warnings.empty());
  EXPECT_EQ(offloaded.samples().size(), 1U);
  EXPECT_EQ(offloaded.reporter.warnings.size(), 2U);
  EXPECT_FALSE(offloaded.result->cancelled);
}

TEST(MemoryTest, NoOtherNetworkIsThereWhileClassPicturesAreEncoded) {
  const auto made = api::PictureKind::ClassImage;
  const OffloadRun resident(false, "unet", made), offloaded(true, "unet", made);
  EXPECT_TRUE(resident.result);
  ASSERT_FALSE(offloaded.result) << "it was not read again";
  EXPECT_TRUE(offloaded.result.error().context.front().second.find("unet") != std::string::npos)
      << message(offloaded.result.error());
}

}  // namespace
}  // namespace likeness::train::test

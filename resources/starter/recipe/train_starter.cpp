// The starter model's text encoder and UNet, trained by Likeness's own networks: the stage `model`
// of make_starter.py at 2 to 3 times its speed.
//   train_starter MODEL OUT LATENTS.safetensors... --minutes M [--rate R] [--batch N] [--threads N]
// MODEL is a diffusers folder to continue from; OUT (another folder) receives the averaged weights
// in fp16 every 500 steps and at the end. LATENTS hold `latents` [N, 2, 4, h, w] (mean and std) and
// `ids` [N, 77], row 0 of which is the empty prompt's (make_starter.py tokens).
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/where.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numbers>

#include "core/api/result.h"
#include "core/diffusion/noise_schedule.h"
#include "core/nn/stable_diffusion.h"
#include "core/tensor/device.h"
#include "core/train/optimizer.h"

using namespace likeness;
namespace fs = std::filesystem;

namespace {

template <class T>
T orStop(api::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", api::message(result.error()).c_str());
  std::exit(1);
}

struct Arguments {
  fs::path model, out;
  std::vector<fs::path> latents;
  double minutes = 60, rate = 4e-4;
  std::int64_t batch = 48, threads = 0;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  std::vector<fs::path> places;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--minutes")
      a.minutes = std::atof(value);
    else if (word == "--rate")
      a.rate = std::atof(value);
    else if (word == "--batch")
      a.batch = std::atoll(value);
    else if (word == "--threads")
      a.threads = std::atoll(value);
    else {
      places.emplace_back(word);
      continue;
    }
    ++i;
  }
  if (places.size() < 3) {
    std::fputs(
        "train_starter MODEL OUT LATENTS.safetensors... --minutes M [--rate R] [--batch N] "
        "[--threads N]\n",
        stderr);
    std::exit(2);
  }
  a.model = places[0];
  a.out = places[1];
  a.latents.assign(places.begin() + 2, places.end());
  return a;
}

/// Exponential moving average of parameters.
class Average {
 public:
  explicit Average(const std::vector<at::Tensor>& values) : m_values(values) {
    for (const at::Tensor& value : values) m_mean.push_back(value.detach().clone());
  }
  void update() {
    const double steps = static_cast<double>(++m_steps);
    at::_foreach_lerp_(m_mean, m_values, 1 - std::min(0.999, (steps + 1) / (steps + 20)));
  }
  const std::vector<at::Tensor>& mean() const { return m_mean; }

 private:
  std::vector<at::Tensor> m_values, m_mean;
  std::int64_t m_steps = 0;
};

void save(const nn::StableDiffusion& model, const Average& average, const fs::path& out) {
  tensor::StateDict unet, text;
  auto mean = average.mean().begin();
  for (const auto& [key, value] : model.unet.store->parameters()) unet.emplace(key, *mean++);
  for (const auto& [key, value] : model.textEncoder.store->parameters()) text.emplace(key, *mean++);
  const fs::path fresh = out.string() + ".new";
  fs::remove_all(fresh);
  if (auto saved = nn::saveStableDiffusion(
          model,
          fresh,
          at::kHalf,
          {{weights::NetworkKind::UNet, unet}, {weights::NetworkKind::TextEncoder, text}});
      !saved) {
    std::fprintf(stderr, "%s\n", api::message(saved.error()).c_str());
    return;
  }
  fs::remove_all(out);
  fs::rename(fresh, out);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  tensor::setThreads(a.threads);
  const auto begin = std::chrono::steady_clock::now();
  const auto minutes = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 60;
  };
  std::vector<at::Tensor> latentParts, idParts;
  for (const fs::path& file : a.latents) {
    auto tensors = orStop(tensor::loadSafetensors(file));
    latentParts.push_back(tensors.at("latents"));
    idParts.push_back(tensors.at("ids"));
  }
  const at::Tensor empty = idParts.front()[0];
  for (at::Tensor& ids : idParts) ids = ids.narrow(0, 1, ids.size(0) - 1);
  const at::Tensor latents = at::cat(latentParts), ids = at::cat(idParts);

  const nn::StableDiffusion model = orStop(nn::loadStableDiffusion({a.model}, {}));
  const diffusion::NoiseSchedule schedule(model.schedule);
  const at::Tensor alphas = schedule.alphasCumprod(), snr = alphas / (1 - alphas);
  const double scale = model.vae.model->config().scalingFactor;
  std::vector<train::Trainable> trainables;
  std::vector<at::Tensor> values;
  const auto add = [&](const nn::ParameterStore& store, double rate) {
    for (const auto& [key, value] : store.parameters()) {
      trainables.push_back({key, value.requires_grad_(true), rate});
      values.push_back(value.detach());
    }
  };
  add(*model.unet.store, a.rate);
  add(*model.textEncoder.store, 0.6 * a.rate);
  api::OptimizerOptions options;
  options.beta2 = 0.99;
  const auto optimizer = train::makeOptimizer(std::move(trainables), options, 0);
  Average average(values);
  at::manual_seed(
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));

  double lossSum = 0, done = 0;
  at::Tensor order;
  std::int64_t step = 0, position = 0;
  for (; (done = minutes() / a.minutes) < 1; ++step) {
    if (!order.defined() || position + a.batch > order.size(0))
      order = at::randperm(latents.size(0), at::kLong), position = 0;
    const at::Tensor rows = order.narrow(0, position, a.batch);
    position += a.batch;
    const at::Tensor moments = latents.index_select(0, rows).to(at::kFloat);
    const at::Tensor mean = moments.select(1, 0), std = moments.select(1, 1);
    const at::Tensor x0 = (mean + std * at::randn_like(mean)) * scale, noise = at::randn_like(mean);
    const at::Tensor t = at::randint(model.schedule.numTrainTimesteps, {a.batch}, at::kLong);
    // One caption of ten is left out, which is what guidance needs.
    const at::Tensor text =
        at::where((at::rand({a.batch}) < 0.1).unsqueeze(1), empty, ids.index_select(0, rows));

    const at::Tensor states = model.textEncoder.model->forward(text.to(at::kLong), at::kBFloat16);
    const at::Tensor predicted =
        model.unet.model->forward(schedule.addNoise(x0, noise, t).to(at::kBFloat16), t, states);
    const at::Tensor each =
        (predicted.to(at::kFloat) - schedule.target(x0, noise, t)).square().mean({1, 2, 3});
    const at::Tensor ratio = snr.index_select(0, t);
    (each * ratio.clamp_max(5) / ratio).mean().backward();  // min-SNR weighting, gamma 5

    const auto norm = optimizer->gradientNorm();
    if (!norm.nonFiniteKey.empty()) {
      std::fprintf(stderr,
                   "step %lld: %s is not finite, left out\n",
                   static_cast<long long>(step),
                   norm.nonFiniteKey.c_str());
      optimizer->dropGradients();
      continue;
    }
    const double warmth = std::min(1.0, static_cast<double>(step + 1) / 100);
    optimizer->step(step + 1,
                    warmth * (0.03 + 0.97 * 0.5 * (1 + std::cos(std::numbers::pi * done))),
                    std::min(1.0, 1 / (norm.value + 1e-6)));
    average.update();
    lossSum += each.mean().item<double>();
    if (step % 50 == 49) {
      std::printf("%lld %.1f min, loss %.4f, %.1f pictures/s\n",
                  static_cast<long long>(step + 1),
                  minutes(),
                  lossSum / 50,
                  static_cast<double>(a.batch * (step + 1)) / minutes() / 60);
      std::fflush(stdout);
      lossSum = 0;
    }
    if (step % 500 == 499) save(model, average, a.out);
  }
  save(model, average, a.out);
}

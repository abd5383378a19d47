// Times the networks of a model folder:
//   network_bench MODEL [--threads N] [--repeats N] [--only CASE] [--profile CASE]
// CASE is a printed name ("unet forward 1 bf16"). Seconds are CPU time of the calling thread with
// one thread (little disturbed by neighbours), else wall time; minimum of the repeats.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>

#include "core/nn/adapters.h"
#include "core/nn/encode_text.h"
#include "core/tensor/device.h"
#include "core/tensor/host_memory.h"

using namespace likeness;

namespace {

double now() {
  timespec time{};
  ::clock_gettime(at::get_num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Self time per operator, through LibTorch's own hooks.
struct Profile {
  struct Row {
    double self = 0;
    std::int64_t calls = 0;
  };
  static inline std::map<std::string, Row> rows;
  static inline std::vector<double>
      children;  // time spent in the operators called by each open one

  struct Start : at::ObserverContext {
    double time = 0;
  };
  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction&) {
    auto start = std::make_unique<Start>();
    children.push_back(0);
    start->time = now();
    return start;
  }
  static void leave(const at::RecordFunction& function, at::ObserverContext* context) {
    const double took = now() - static_cast<Start*>(context)->time;
    Row& row = rows[function.name()];
    row.self += took - children.back();
    ++row.calls;
    children.pop_back();
    if (!children.empty()) children.back() += took;
  }
  static void print(int repeats) {
    std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
    std::ranges::sort(sorted,
                      [](const auto& a, const auto& b) { return a.second.self > b.second.self; });
    double sum = 0;
    for (const auto& [name, row] : sorted) sum += row.self;
    std::printf("  %-60s %9.3f ms\n", "all", sum / repeats * 1e3);
    for (std::size_t i = 0; i < std::min<std::size_t>(sorted.size(), 45); ++i)
      std::printf("  %-60s %9.3f ms %7.1f calls\n",
                  sorted[i].first.c_str(),
                  sorted[i].second.self / repeats * 1e3,
                  static_cast<double>(sorted[i].second.calls) / repeats);
  }
};

struct Bench {
  int repeats = 10;
  std::string profiled, only;

  void run(const std::string& name, const std::function<void()>& body) const {
    if (!only.empty() && name != only) return;
    body();
    body();
    std::vector<double> seconds;
    for (int i = 0; i < repeats; ++i) {
      const double start = now();
      body();
      seconds.push_back(now() - start);
    }
    std::ranges::sort(seconds);
    std::printf("%-28s %8.2f ms (median %.2f)\n",
                name.c_str(),
                seconds[0] * 1e3,
                seconds[seconds.size() / 2] * 1e3);
    if (name != profiled) return;
    const auto handle =
        at::addThreadLocalCallback(at::RecordFunctionCallback(Profile::enter, Profile::leave));
    for (int i = 0; i < repeats; ++i) body();
    at::removeCallback(handle);
    Profile::print(repeats);
  }
};

void requireGradients(const nn::ParameterStore& store, bool wanted) {
  for (const auto& [key, parameter] : store.parameters()) {
    parameter.requires_grad_(wanted);
    parameter.mutable_grad() = at::Tensor();
  }
}

void benchDType(const Bench& bench, const std::filesystem::path& folder, at::ScalarType dtype) {
  const auto model = nn::loadStableDiffusion({folder}, {}).value();
  const std::string suffix = dtype == at::kFloat ? " fp32" : " bf16";
  const std::int64_t size = model.unet.model->config().sampleSize, side = model.resolution();
  const at::Tensor ids = nn::tokenIds(model, {"a photo of sks toy", "a photo of toy"}).first;
  const at::Tensor latents = at::randn({2, 4, size, size}), noise = at::randn({2, 4, size, size});
  const at::Tensor times = at::randint(1000, {2}, at::kLong), pixels = at::rand({2, 3, side, side});
  const auto step = [&](bool trainText) {
    const at::Tensor text = trainText ? model.textEncoder.model->forward(ids, dtype) : [&] {
      const c10::NoGradGuard guard;
      return model.textEncoder.model->forward(ids, dtype);
    }();
    const at::Tensor out = model.unet.model->forward(latents.to(dtype), times, text);
    at::mse_loss(out.to(at::kFloat), noise).backward();
  };
  {
    const c10::NoGradGuard noGrad;
    const at::Tensor many = at::randn({8, 4, size, size}).to(dtype),
                     manyTimes = at::randint(1000, {8}, at::kLong);
    const nn::TextContext text(model.textEncoder.model->forward(ids, dtype).repeat({4, 1, 1}),
                               true);
    bench.run("unet forward 8" + suffix,
              [&] { (void)model.unet.model->forward(many, manyTimes, text); });
    const nn::TextContext one(model.textEncoder.model->forward(ids.narrow(0, 0, 1), dtype), true);
    bench.run("unet forward 1" + suffix, [&] {
      (void)model.unet.model->forward(many.narrow(0, 0, 1), manyTimes.narrow(0, 0, 1), one);
    });
    bench.run("text encoder forward 2" + suffix,
              [&] { (void)model.textEncoder.model->forward(ids, dtype); });
    bench.run("vae encode 2" + suffix, [&] { (void)model.vae.model->encode(pixels.to(dtype)); });
    bench.run("vae decode 2" + suffix, [&] { (void)model.vae.model->decode(latents.to(dtype)); });
  }
  requireGradients(*model.unet.store, true);
  requireGradients(*model.textEncoder.store, true);
  bench.run("full step 2" + suffix, [&] {
    step(true);
    requireGradients(*model.unet.store, true);
    requireGradients(*model.textEncoder.store, true);
  });
  requireGradients(*model.unet.store, false);
  requireGradients(*model.textEncoder.store, false);
  api::LoraOptions lora;
  lora.targets = {"to_q", "to_k", "to_v", "to_out.0"};
  const auto trainable = nn::attachLora(*model.unet.store, lora, 1);
  bench.run("lora step 2" + suffix, [&] {
    step(false);
    for (const auto& [key, tensor] : trainable) tensor.mutable_grad() = at::Tensor();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  tensor::keepHostMemory();
  Bench bench;
  std::int64_t threads = 1;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--threads")) threads = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--repeats")) bench.repeats = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--only")) bench.only = argv[i + 1];
    if (!std::strcmp(argv[i], "--profile")) bench.profiled = argv[i + 1];
  }
  tensor::setThreads(threads);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) benchDType(bench, argv[1], dtype);
}

// The small problem of tests/golden/make_optimizers_golden.py.
#pragma once

#include <ATen/TensorOperators.h>

#include <string>
#include <vector>

#include "core/tensor/state_dict.h"
#include "core/train/optimizer.h"

namespace likeness::train::test {

inline const tensor::StateDict& golden() {
  static const tensor::StateDict tensors =
      tensor::loadSafetensors(LIKENESS_GOLDEN_DIR "/optimizers.safetensors").value();
  return tensors;
}

inline constexpr api::OptimizerKind kKinds[] = {api::OptimizerKind::AdamW,
                                                api::OptimizerKind::AdamW8bit,
                                                api::OptimizerKind::Adafactor,
                                                api::OptimizerKind::Prodigy,
                                                api::OptimizerKind::Lion,
                                                api::OptimizerKind::ScheduleFree};

inline double problemRate(api::OptimizerKind kind) {
  return kind == api::OptimizerKind::Prodigy ? 1 : kind == api::OptimizerKind::Lion ? 1e-3 : 1e-2;
}

/// Prodigy begins near 0, where fp32 holds its first steps exactly enough.
inline double problemScale(api::OptimizerKind kind) {
  return kind == api::OptimizerKind::Prodigy ? 0x1p-13 : 1;
}

inline api::OptimizerOptions problemOptions(api::OptimizerKind kind) {
  return {kind, 0.8, 0.95, 1e-6, 0.1, 0};
}

/// Weights, and gradients curvature (w - target) + sin(phase t) of them. A kernel lies in memory
/// channels-last, its gradients do not.
struct Problem {
  Problem(const std::vector<std::string>& names,
          double rate,
          at::ScalarType type = at::kFloat,
          double scale = 1) {
    for (const std::string& name : names) {
      at::Tensor value = golden().at("start." + name).mul(scale).to(type);
      if (value.dim() == 4) value = value.contiguous(at::MemoryFormat::ChannelsLast);
      parameters.push_back({name, value.requires_grad_(true), rate});
    }
  }
  /// Those of update `number`, times `factor`.
  void makeGradients(std::int64_t number, double factor = 1) {
    for (const Trainable& p : parameters) {
      const auto of = [&](const char* what) {
        return golden().at(std::string(what) + p.key).to(at::kDouble);
      };
      const at::Tensor away = p.value.detach().to(at::kDouble) - of("target.");
      const at::Tensor swing = (of("phase.") * static_cast<double>(number)).sin();
      p.value.mutable_grad() =
          ((of("curvature.") * away + swing) * factor).to(p.value.scalar_type()).contiguous();
    }
  }
  /// Updates `first` to `last`.
  void run(Optimizer& optimizer, std::int64_t first, std::int64_t last, double rateFactor = 1) {
    for (std::int64_t number = first; number <= last; ++number) {
      makeGradients(number);
      optimizer.step(number, rateFactor, 1);
    }
  }
  tensor::StateDict copyOfWeights() const {
    tensor::StateDict copy;
    for (const Trainable& p : parameters) copy.emplace(p.key, p.value.detach().clone());
    return copy;
  }

  std::vector<Trainable> parameters;
};

inline std::unique_ptr<Optimizer> optimizerOf(const Problem& problem,
                                              const api::OptimizerOptions& options) {
  return makeOptimizer(problem.parameters, options, /*seed=*/3);
}

inline void expectEqualBits(const tensor::StateDict& a,
                            const tensor::StateDict& b,
                            const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (const auto& [key, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(key))) << what << " " << key;
}

}  // namespace likeness::train::test

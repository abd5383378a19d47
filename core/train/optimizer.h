// AdamW over named parameters in fp32, each with its own learning rate.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <string>
#include <vector>

#include "core/api/result.h"
#include "core/api/train_options.h"
#include "core/tensor/state_dict.h"

namespace likeness::train {

/// One trained tensor: a leaf that requires a gradient.
struct Trainable {
  std::string key;   ///< "unet.conv_in.weight", "text_encoder....", "adapter...."
  at::Tensor value;  ///< fp32
  double learningRate = 0;
  /// Steps in which it is trained: [from, until). In others it wants no gradient and stays as it
  /// is.
  std::int64_t from = 0, until = std::numeric_limits<std::int64_t>::max();
  bool isTrained(std::int64_t step) const { return from <= step && step < until; }
};

/// Decoupled weight decay (Loshchilov & Hutter 2019) with bias correction:
///   p -= lr wd p;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g g;
///   p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
/// LibTorch's fused kernel does it in one pass over the memory. There is no hidden state: the step
/// number comes with each call.
class AdamW {
 public:
  AdamW(std::vector<Trainable> parameters, const api::OptimizerOptions& options);

  const std::vector<Trainable>& parameters() const { return m_parameters; }

  struct GradientNorm {
    double value = 0;          ///< 2-norm over all gradients
    std::string nonFiniteKey;  ///< first parameter whose gradient is not finite; empty = none
  };
  GradientNorm gradientNorm();
  /// The update number `number` (from 1), with learning rates and gradients scaled; gradients are
  /// gone afterwards. Parameters without a gradient stay as they are.
  void step(std::int64_t number, double rateFactor, double gradientFactor);
  void dropGradients();

  /// "KEY.exp_avg" and "KEY.exp_avg_sq" of every parameter, sharing memory.
  tensor::StateDict state() const;
  /// The counterpart of state(). False when a tensor is missing, misshaped or too much.
  bool load(tensor::StateDict state);

 private:
  std::vector<Trainable> m_parameters;
  std::vector<at::Tensor> m_mean, m_square;  ///< empty until the first step
  api::OptimizerOptions m_options;

  struct Piece;
  bool onCpu() const { return m_parameters.empty() || m_parameters.front().value.is_cpu(); }
  void makeState();
  std::vector<Piece> pieces();
  void stepByPieces(const std::vector<Piece>& all,
                    std::int64_t number,
                    double rateFactor,
                    double gradientFactor);
  void stepByLibTorch(const std::vector<Piece>& all,
                      std::int64_t number,
                      double rateFactor,
                      double gradientFactor);
};

}  // namespace likeness::train

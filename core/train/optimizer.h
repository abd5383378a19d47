// Optimizers over named parameters, each parameter with its own learning rate. What all kinds share
// stands here once: pieces, norm, named state, averaged weights, weights in bf16.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/train_options.h"
#include "core/tensor/state_dict.h"

namespace likeness::train {

/// One trained tensor: a leaf that requires a gradient.
struct Trainable {
  std::string key;   ///< "unet.conv_in.weight", "text_encoder....", "adapter...."
  at::Tensor value;  ///< fp32, or bf16: then every update is computed in fp32 and rounded at random
  double learningRate = 0;
  /// Steps in which it is trained: [from, until). In others it wants no gradient and stays as it
  /// is.
  std::int64_t from = 0, until = std::numeric_limits<std::int64_t>::max();
  bool isTrained(std::int64_t step) const { return from <= step && step < until; }
};

/// The step number comes with each call, so there is no hidden state: all of it is in state(). Runs
/// on the compute thread. Results do not depend on the number of threads: pieces are fixed and sums
/// are taken in their order.
class Optimizer {
 public:
  /// `seed` is for the rounding of bf16 weights.
  Optimizer(std::vector<Trainable> parameters,
            const api::OptimizerOptions& options,
            std::uint64_t seed);
  virtual ~Optimizer() = default;

  const std::vector<Trainable>& parameters() const { return m_parameters; }

  struct GradientNorm {
    double value = 0;          ///< 2-norm over all gradients
    std::string nonFiniteKey;  ///< first parameter whose gradient is not finite; empty = none
  };
  GradientNorm gradientNorm();
  /// Of one parameter (an index into parameters()) alone.
  GradientNorm gradientNorm(std::size_t parameter);
  /// The update number `number` (from 1), with learning rates and gradients scaled; gradients are
  /// gone afterwards. Parameters without a gradient stay as they are, and so do their averages.
  void step(std::int64_t number, double rateFactor, double gradientFactor);
  /// The same for one parameter alone, for a step inside the backward pass. Over all parameters, in
  /// any order, it does what one step() does. Not for Prodigy, whose rate depends on all of them.
  void stepOne(std::size_t parameter, std::int64_t number, double rateFactor);
  void dropGradients();
  /// Drops what parameters that are not trained from 0-based `step` on held beside their values:
  /// gradients, slots. What is shown of them stays.
  void retire(std::int64_t step);
  /// The rate of the first parameter that is trained in 0-based `step`, as a person may compare it
  /// with others.
  virtual double learningRate(std::int64_t step, double rateFactor) const;
  /// Computes by LibTorch's operators as on other devices; so a CPU can test that way.
  void useOperators() { m_byPieces = false; }

  /// "KEY.SLOT" of every parameter ("exp_avg"...), sharing memory; empty before the first step.
  /// Where shown weights are not the trained ones, "KEY.trained" are those; it may only be called
  /// while they are shown then.
  tensor::StateDict state() const;
  /// The counterpart of state() after `steps` updates; the parameters hold the shown weights before
  /// and the trained ones afterwards. False when a tensor is missing, of another shape or type, or
  /// too much; but what is retired then may have state, and what would have been by earlier bounds
  /// (Trainable::until) begins anew.
  bool load(tensor::StateDict state, std::int64_t steps = 0);

 protected:
  /// A piece of one parameter, in memory order, that fits the caches: what a thread works on at a
  /// time. A multiple of 256 values but for a parameter's last one.
  struct Piece {
    std::size_t parameter;
    std::int64_t begin, size;
  };
  /// What all pieces of one update have in common.
  struct Update {
    std::int64_t number;
    double rateFactor, gradientFactor;
  };
  /// A tensor that belongs to a parameter.
  struct Slot {
    std::string_view name;
    at::Tensor tensor;
  };

  /// The slots of one parameter as they begin; fp32 ones that are taken by pieces lie in memory as
  /// the parameter does.
  virtual std::vector<Slot> makeSlots(const at::Tensor& value) const = 0;
  /// Before any parameter changes: what needs whole tensors. Gradients are not scaled yet. CPU.
  virtual void prepare(const std::vector<Piece>&, const Update&) {}
  /// Updates one piece; called by several threads. CPU.
  virtual void updatePiece(const Piece& piece,
                           const Update& update,
                           const float* gradient,
                           float* value) = 0;
  /// The same by LibTorch's operators, for parameters that are not in the CPU's memory: one after
  /// the other by updateTensor().
  virtual void updateElsewhere(const std::vector<std::size_t>& which, const Update& update);
  /// `gradient` is scaled, `value` is changed in place; both fp32.
  virtual void updateTensor(std::size_t parameter,
                            const Update& update,
                            const at::Tensor& gradient,
                            const at::Tensor& value) = 0;
  /// Whether the weights that are shown are not those that are trained.
  virtual bool showsOthers() const { return m_options.ema > 0; }
  /// What is shown in place of a parameter then, where no average is; its memory holds the trained
  /// weights meanwhile.
  virtual at::Tensor shownOf(std::size_t parameter) const { return m_average[parameter]; }

  double rateOf(std::size_t parameter, const Update& update) const {
    return m_parameters[parameter].learningRate * update.rateFactor;
  }
  at::Tensor& slot(std::size_t parameter, std::size_t index) {
    return m_slots[parameter][index].tensor;
  }
  const at::Tensor& slot(std::size_t parameter, std::size_t index) const {
    return m_slots[parameter][index].tensor;
  }
  /// An fp32 slot where a piece begins.
  float* slot(const Piece& piece, std::size_t index) {
    return slot(piece.parameter, index).mutable_data_ptr<float>() + piece.begin;
  }
  /// What one thread converts bf16 into and back from.
  struct Scratch {
    std::vector<float> gradient, value;
  };
  /// The gradient of a piece in fp32; in `scratch` when it has to be converted.
  const float* gradient(const Piece& piece, Scratch& scratch) const;
  /// Calls `work` for every number below `count`, on all threads.
  static void forEach(std::size_t count, const std::function<void(std::size_t, Scratch&)>& work);

  const api::OptimizerOptions& options() const { return m_options; }
  /// State that is not of one parameter; saved with the rest. Its length is the constructor's.
  std::vector<double> m_scalars;

 private:
  friend class ShownWeights;
  void makeState(std::int64_t step);
  std::vector<std::size_t> indices() const;
  std::vector<Piece> pieces(const std::vector<std::size_t>& which);
  GradientNorm gradientNorm(const std::vector<std::size_t>& which);
  void update(const std::vector<std::size_t>& which, const Update& update);
  void updateByPieces(const std::vector<Piece>& pieces, const Update& update);
  std::vector<std::uint32_t> roundingBits(const Piece& piece, std::int64_t number) const;
  void exchange();

  std::vector<Trainable> m_parameters;
  std::vector<std::vector<Slot>> m_slots;  ///< by parameter; empty until the first step
  std::vector<at::Tensor> m_average;       ///< by parameter; fp32, where there is one
  std::vector<at::Tensor> m_trained;       ///< by parameter, while others are shown
  api::OptimizerOptions m_options;
  std::uint64_t m_seed;
  bool m_byPieces;  ///< by own passes over memory
};

/// While one lives, the parameters hold the weights that a run shows (in samples, probes and
/// checkpoints) in place of those it trains: the averaged ones, or those of a schedule-free
/// optimizer. Nothing happens where they are the same. One inside another does nothing. Afterwards
/// the parameters are bit for bit what they were.
class ShownWeights {
 public:
  explicit ShownWeights(Optimizer& optimizer);
  ~ShownWeights();
  ShownWeights(const ShownWeights&) = delete;
  ShownWeights& operator=(const ShownWeights&) = delete;

 private:
  Optimizer* m_optimizer = nullptr;  ///< that has to be put back
};

/// The optimizer of a kind; parameters that are not fp32 are for kinds that validate() lets have
/// them.
std::unique_ptr<Optimizer> makeOptimizer(std::vector<Trainable> parameters,
                                         const api::OptimizerOptions& options,
                                         std::uint64_t seed);

}  // namespace likeness::train

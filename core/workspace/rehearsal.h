// A pass through networks, rehearsed with sizes in place of values: how much it computes, and how
// much memory lives at its fullest moment. Operations keep, make and let go what those of core/nn
// do, in the same order, so that nothing has to be guessed; what a change there keeps for the
// backward pass has to be kept here too (tests/bench/footprint.py compares with real runs).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/weights/stored_network.h"

namespace likeness::workspace {

/// Rows (pictures, prompts) of height x width places with channels each; words lie along the width.
struct Extent {
  std::int64_t rows = 1, height = 1, width = 1, channels = 1;
  std::int64_t places() const { return rows * height * width; }
  std::int64_t values() const { return places() * channels; }
};

/// Memory that lives as long as something refers to it.
using Memory = std::shared_ptr<const std::int64_t>;

/// Where the gradient of a tensor is gathered.
struct GradientSlot {
  std::int64_t bytes = 0;
  Memory gradient{};
};

/// A tensor as far as its memory goes.
struct Ghost {
  Extent extent;
  Memory memory;
  std::shared_ptr<GradientSlot> slot{};  ///< null = it wants no gradient
};

struct PassOptions {
  std::int64_t valueBytes = 4;   ///< of a value that passes
  std::int64_t masterBytes = 4;  ///< of a trained weight, whose gradient has its type
  /// Keeps what a backward pass needs.
  bool records = false;
  bool checkpointing = false, stepInBackward = false;  ///< MemoryOptions
  /// Complete: what is trained, and where adapters are. Null = nothing and none.
  const api::TrainRequest* recipe = nullptr;
};

/// What lives while a pass goes, from its first operation to its end.
class Pass {
 public:
  explicit Pass(const PassOptions& options) : m_options(options) {}

  /// Whose layers follow: keys are those of this network.
  void enter(weights::NetworkKind network) { m_network = network; }
  const PassOptions& options() const { return m_options; }

  Ghost input(const Extent& extent, bool wantsGradient = false);
  Ghost linear(const std::string& module, const Ghost& x, std::int64_t out, bool bias = true);
  Ghost conv(const std::string& module,
             const Ghost& x,
             std::int64_t out,
             std::int64_t kernel,
             std::int64_t stride = 1,
             bool pads = true);
  /// Group or layer norm, with the SiLU that follows it.
  Ghost norm(const std::string& module, const Ghost& x);
  /// One over values without weights; it keeps its input and more that it makes on the way, `kept`
  /// tensors in all.
  Ghost activation(const Ghost& x, std::int64_t out, std::int64_t kept);
  Ghost attention(const Ghost& q, const Ghost& k, const Ghost& v, std::int64_t heads);
  /// `b` may be spread over the places of `a`.
  Ghost add(const Ghost& a, const Ghost& b);
  Ghost cat(const Ghost& a, const Ghost& b);
  Ghost enlarged(const Ghost& x, std::int64_t height, std::int64_t width);
  /// A row of a table per place; trained where the key is.
  Ghost embedding(const std::string& key, const Extent& extent, std::int64_t count);
  /// What can be computed again in the backward pass, as nn::GradientCheckpoint.
  using Block = std::function<Ghost(const Ghost& x, const Ghost& other)>;
  Ghost block(const Ghost& x, const Ghost& other, const Block& inside);
  /// Lives until the pass ends: keys and values that a sampler uses again.
  void hold(const Ghost& ghost) { m_held.push_back(ghost.memory); }

  /// Goes back from the gradient of `y` to whatever wants one.
  void backward(const Ghost& y);

  double flops() const { return m_flops; }  ///< a product with its sum counts two
  /// Bytes at the fullest moment, and how many of them are gradients of weights.
  std::int64_t peak() const { return m_ledger->peak; }
  std::int64_t gradientsAtPeak() const { return m_ledger->gradientsAtPeak; }

 private:
  /// What lives; memory refers to it for as long as it does so itself.
  struct Ledger {
    std::int64_t live = 0, gradients = 0, peak = 0, gradientsAtPeak = 0;
    void note();
  };
  /// What one operation left for the way back.
  struct Node {
    std::shared_ptr<GradientSlot> output;
    /// Those that get gradients of their own, and those that take the output's.
    std::vector<std::shared_ptr<GradientSlot>> inputs{}, sharing{};
    std::vector<Memory> kept{};
    std::int64_t weights = 0;  ///< trained values
    std::int64_t working = 0;  ///< bytes that are needed meanwhile
    double flops = 0;
    std::function<void(const Memory& gradient)> again{};  ///< of a block
  };
  /// What make() is to be told of one operation beside its node.
  struct Operation {
    Extent out;
    std::vector<const Ghost*> inputs{}, sharing{};  ///< as in Node
    std::vector<Memory> keeps{};
    std::int64_t weights = 0, working = 0, backwardWorking = 0;
    double flops = 0;           ///< of the way there
    double flopsPerInput = 0;   ///< of the way back, for each input that wants a gradient
    double flopsOfWeights = 0;  ///< of the way back, where weights are trained
  };

  Ghost make(const Operation& operation);
  Ghost adapted(const std::string& module,
                const weights::Shape& weight,
                const Ghost& x,
                const Ghost& y);
  /// By a trained matrix of so many values, `uses` times for each place of the output, which is
  /// `to` with `channels`.
  Ghost product(
      const Ghost& from, Extent to, std::int64_t channels, std::int64_t matrix, double uses = 1);
  Ghost decomposed(const Ghost& y, std::int64_t weights, std::int64_t matrix);
  Ghost kronecker(const weights::TensorShapes& parts,
                  std::int64_t out,
                  const Ghost& x,
                  const Extent& to);
  bool trains(const std::string& key) const;
  Memory take(std::int64_t bytes);
  void deposit(GradientSlot& slot, const Memory& gradient);
  void goBack(std::size_t until);

  const PassOptions m_options;
  weights::NetworkKind m_network = weights::NetworkKind::UNet;
  std::shared_ptr<Ledger> m_ledger = std::make_shared<Ledger>();
  std::vector<Node> m_tape;
  std::vector<Memory> m_held;
  double m_flops = 0;
};

}  // namespace likeness::workspace

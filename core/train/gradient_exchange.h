// Gradients added up over the ranks while the backward pass still computes others.
#pragma once

#include <vector>

#include "core/train/gradient_hooks.h"
#include "core/train/ranks.h"

namespace likeness::train {

/// Parameters lie in buckets of Ranks::bucketBytes(), those first that a backward pass reaches
/// first. A bucket is sent as soon as its gradients are whole and the buckets before it under way:
/// the order follows from the parameters alone, so that ranks never wait for each other's and a
/// resumed run adds up as before. A rank without a gradient sends zeros; where no rank has one
/// there is none afterwards. Compute thread and, in between, that of the backward pass.
class GradientExchange {
 public:
  /// Refers to both.
  GradientExchange(const Optimizer& optimizer, Ranks& ranks);

  /// Before the first pass of 0-based step `step`.
  void begin(std::int64_t step);
  /// Before each pass: whether it is the last one of the step.
  void beginPass(bool isLast);
  /// Before passes are made again, which ended by an exception: waits for what is under way. It is
  /// right and stays so, whatever becomes of the gradients then.
  void keepWhatWasSent();
  /// After the passes, or in place of those that a rank does not make: sends what is left and waits
  /// for all. The gradients are the sums then. Errors: those of Ranks.
  api::Result<void> end();

 private:
  struct Bucket {
    std::vector<std::size_t> parameters;
    std::int64_t numbers = 0;
    std::size_t missing = 0;  ///< gradients that the last pass has still to make
    at::Tensor flat;          ///< the numbers of all
    Ranks::Wait wait;
    std::vector<at::Tensor> sums;
  };
  void ready(std::size_t parameter);
  void send();
  void arrive();
  at::Tensor partOf(const Bucket& bucket, std::size_t parameter, std::int64_t& offset) const;

  const std::vector<Trainable>& m_parameters;
  const std::vector<std::size_t> m_order;  ///< of the parameters
  Ranks& m_ranks;
  std::vector<Bucket> m_buckets;
  std::vector<std::size_t> m_bucketOf;  ///< by parameter
  std::vector<bool> m_isReady;          ///< by parameter, in the last pass
  std::vector<double> m_present;        ///< by parameter: how many ranks have a gradient
  std::size_t m_sent = 0, m_arrived = 0;
  bool m_isLast = false;
  api::Result<void> m_result;
  const GradientHooks m_hooks;
};

}  // namespace likeness::train

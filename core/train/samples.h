// Pictures made between training steps, from the weights as they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "core/base/reporter.h"
#include "core/generate/generator.h"
#include "core/nn/stable_diffusion.h"
#include "core/train/ranks.h"

namespace likeness::train {

/// Networks that training itself does not need, and how they were read.
struct RestingNetworks {
  std::vector<weights::NetworkKind> kinds;
  nn::LoadOptions options;
};

class SampleMaker {
 public:
  /// Refers to `model` and `ranks`. Pictures go to RUN/samples/<step>-<prompt>.png with their
  /// request inside. `resting` networks are put away here and come back while pictures are made.
  SampleMaker(nn::StableDiffusion& model,
              const api::TrainRequest& recipe,
              at::ScalarType compute,
              Ranks& ranks,
              RestingNetworks resting = {});
  /// One picture for each of api::samplePrompts(), all from the seed of the recipe. Every rank
  /// calls it and makes its share; the first one writes and reports all of them, in order. Leaves
  /// off at a stop request on any rank. Pictures that cannot be computed (NonFinite) are warnings,
  /// and so are resting networks whose files can no longer be read. Errors: FileUnwritable,
  /// DiskFull, those of Ranks.
  api::Result<void> make(std::int64_t step, base::Reporter& reporter);

 private:
  api::Result<void> makeAll(std::int64_t step, bool ready, base::Reporter& reporter);
  api::GenerateRequest requestOf(std::int64_t step, std::int64_t index) const;
  void paint(const api::GenerateRequest& request, const at::Tensor& row, base::Reporter& reporter);

  nn::StableDiffusion& m_model;
  Ranks& m_ranks;
  const RestingNetworks m_resting;
  const api::TrainRequest m_recipe;
  generate::Generator m_generator;
};

}  // namespace likeness::train

// Pictures made between training steps, from the weights as they are.
#pragma once

#include <filesystem>

#include "core/base/reporter.h"
#include "core/generate/generator.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::train {

/// Networks that training itself does not need, and how they were read.
struct RestingNetworks {
  std::vector<weights::NetworkKind> kinds;
  nn::LoadOptions options;
};

class SampleMaker {
 public:
  /// Refers to `model`. Pictures go to RUN/samples/<step>-<prompt>.png with their request inside.
  /// `resting` networks are put away here and come back while pictures are made.
  SampleMaker(nn::StableDiffusion& model,
              const api::TrainRequest& recipe,
              at::ScalarType compute,
              RestingNetworks resting = {});
  /// One picture for each of api::samplePrompts(), all from the seed of the recipe; leaves off at a
  /// stop request. Pictures that cannot be computed (NonFinite) are warnings, and so are resting
  /// networks whose files can no longer be read. Errors: FileUnwritable, DiskFull.
  api::Result<void> make(std::int64_t step, base::Reporter& reporter);

 private:
  api::Result<void> makeAll(std::int64_t step, base::Reporter& reporter);
  nn::StableDiffusion& m_model;
  const RestingNetworks m_resting;
  const api::TrainRequest m_recipe;
  generate::Generator m_generator;
};

}  // namespace likeness::train

// Pictures made between training steps, from the weights as they are.
#pragma once

#include <filesystem>

#include "core/base/reporter.h"
#include "core/generate/generator.h"

namespace likeness::train {

class SampleMaker {
 public:
  /// Refers to `model`. Pictures go to RUN/samples/<step>-<prompt>.png with their request inside.
  SampleMaker(const nn::StableDiffusion& model,
              const api::TrainRequest& recipe,
              at::ScalarType compute);
  /// One picture per sample prompt, all from the seed of the recipe; leaves off at a stop request.
  /// Pictures that cannot be computed (NonFinite) are warnings. Errors: FileUnwritable, DiskFull.
  api::Result<void> make(std::int64_t step, base::Reporter& reporter);

 private:
  const api::TrainRequest m_recipe;
  generate::Generator m_generator;
};

}  // namespace likeness::train

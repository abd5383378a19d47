// Classifier-free guidance.
#include "core/diffusion/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

namespace likeness::diffusion {

at::Tensor combineGuided(const at::Tensor& stacked, double guidance, double rescale) {
  const auto halves = stacked.to(at::kFloat).chunk(2);
  const at::Tensor guided = halves[0] + guidance * (halves[1] - halves[0]);
  if (rescale == 0) return guided;
  const auto deviation = [](const at::Tensor& x) {
    return x.std(at::IntArrayRef{1, 2, 3}, true, true);
  };
  return guided * (rescale * (deviation(halves[1]) / deviation(guided)) + (1 - rescale));
}

at::Tensor predict(const nn::UNet2DConditionModel& unet,
                   const at::Tensor& x,
                   double timestep,
                   const nn::TextContext& context,
                   double guidance,
                   at::ScalarType dtype,
                   double rescale) {
  const bool guided = isGuided(guidance);
  const at::Tensor input = (guided ? at::cat({x, x}) : x).to(dtype);
  const at::Tensor timesteps = at::full({input.size(0)}, timestep, x.options().dtype(at::kFloat));
  const at::Tensor out = unet.forward(input, timesteps, context);
  return guided ? combineGuided(out, guidance, rescale) : out.to(at::kFloat);
}

}  // namespace likeness::diffusion

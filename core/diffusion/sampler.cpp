// The list of samplers.
#include "core/diffusion/sampler.h"

#include "core/diffusion/samplers.h"

namespace likeness::diffusion {

std::unique_ptr<Sampler> makeSampler(const NoiseSchedule& schedule,
                                     const api::SamplingOptions& options) {
  switch (options.sampler) {
    case api::SamplerKind::Ddim:
      return makeDdim(schedule, options);
    case api::SamplerKind::Euler:
      return makeEuler(schedule, options);
    case api::SamplerKind::Dpmpp2m:
      return makeDpmpp2m(schedule, options);
  }
  TORCH_CHECK(false, "unknown sampler");
}

}  // namespace likeness::diffusion

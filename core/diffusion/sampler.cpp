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
    case api::SamplerKind::Ddpm:
      return makeDdpm(schedule, options);
    case api::SamplerKind::Pndm:
      return makePndm(schedule, options);
    case api::SamplerKind::EulerAncestral:
      return makeEulerAncestral(schedule, options);
    case api::SamplerKind::Heun:
      return makeHeun(schedule, options);
    case api::SamplerKind::Dpmpp2mSde:
      return makeDpmpp2mSde(schedule, options);
    case api::SamplerKind::DpmppSde:
      return makeDpmppSde(schedule, options);
    case api::SamplerKind::UniPc:
      return makeUniPc(schedule, options);
    case api::SamplerKind::Lcm:
      return makeLcm(schedule, options);
  }
  TORCH_CHECK(false, "unknown sampler");
}

}  // namespace likeness::diffusion

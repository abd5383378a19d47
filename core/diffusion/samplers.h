// The makers that sampler.cpp registers; one source file each.
#pragma once

#include "core/diffusion/sampler.h"

namespace likeness::diffusion {

std::unique_ptr<Sampler> makeDdim(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeEuler(const NoiseSchedule& schedule,
                                   const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeDpmpp2m(const NoiseSchedule& schedule,
                                     const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeDdpm(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options);
std::unique_ptr<Sampler> makePndm(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeEulerAncestral(const NoiseSchedule& schedule,
                                            const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeHeun(const NoiseSchedule& schedule,
                                  const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeDpmpp2mSde(const NoiseSchedule& schedule,
                                        const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeDpmppSde(const NoiseSchedule& schedule,
                                      const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeUniPc(const NoiseSchedule& schedule,
                                   const api::SamplingOptions& options);
std::unique_ptr<Sampler> makeLcm(const NoiseSchedule& schedule,
                                 const api::SamplingOptions& options);

}  // namespace likeness::diffusion

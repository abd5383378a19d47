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

}  // namespace likeness::diffusion

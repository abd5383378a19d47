// DDPM tables by the operations of diffusers' schedulers, so that every value is the same float.
#include "core/diffusion/noise_schedule.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumprod.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/rsub.h>

#include <cmath>

namespace likeness::diffusion {
namespace {

/// sqrt(a_t) and sqrt(1 - a_t) as [N, 1, 1, 1] fp32 beside `like`.
struct Weights {
  at::Tensor signal, noise;
};
Weights weightsAt(const at::Tensor& alphasCumprod,
                  const at::Tensor& timesteps,
                  const at::Tensor& like) {
  const at::Tensor a =
      alphasCumprod.index_select(0, timesteps.to(at::kCPU)).to(like.device()).view({-1, 1, 1, 1});
  return {a.sqrt(), at::rsub(a, 1).sqrt()};
}

}  // namespace

NoiseSchedule::NoiseSchedule(const nn::NoiseScheduleConfig& config) : m_config(config) {
  TORCH_CHECK(config.betaSchedule == "linear" || config.betaSchedule == "scaled_linear",
              "unknown beta schedule ",
              config.betaSchedule);
  const auto linspace = [&](double from, double to) {
    return at::linspace(from, to, config.numTrainTimesteps, at::kFloat);
  };
  at::Tensor betas = linspace(config.betaStart, config.betaEnd);
  if (config.betaSchedule == "scaled_linear") {
    betas = linspace(std::sqrt(config.betaStart), std::sqrt(config.betaEnd)).square();
  }
  m_alphasCumprod = at::cumprod(at::rsub(betas, 1), 0);
  if (config.rescaleBetasZeroSnr) {
    // Lin et al. 2024, algorithm 1, through the betas and back as upstream does.
    const at::Tensor roots = m_alphasCumprod.sqrt();
    const at::Tensor first = roots[0].clone(), last = roots[-1].clone();
    const at::Tensor a = ((roots - last) * (first / (first - last))).square();
    const at::Tensor alphas = at::cat({a.narrow(0, 0, 1), a.slice(0, 1) / a.slice(0, 0, -1)});
    m_alphasCumprod = at::cumprod(at::rsub(at::rsub(alphas, 1), 1), 0);
  }
}

at::Tensor NoiseSchedule::addNoise(const at::Tensor& x0,
                                   const at::Tensor& noise,
                                   const at::Tensor& timesteps) const {
  const Weights w = weightsAt(m_alphasCumprod, timesteps, x0);
  return (w.signal * x0 + w.noise * noise).to(x0.scalar_type());
}

at::Tensor NoiseSchedule::target(const at::Tensor& x0,
                                 const at::Tensor& noise,
                                 const at::Tensor& timesteps) const {
  if (m_config.predictionType == nn::PredictionType::Epsilon) return noise;
  if (m_config.predictionType == nn::PredictionType::Sample) return x0;
  const Weights w = weightsAt(m_alphasCumprod, timesteps, x0);
  return (w.signal * noise - w.noise * x0).to(x0.scalar_type());
}

}  // namespace likeness::diffusion

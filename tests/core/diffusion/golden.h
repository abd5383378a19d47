// Reads what tests/golden/make_samplers_golden.py recorded.
#pragma once

#include <ATen/core/Tensor.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/diffusion/sampler.h"
#include "core/tensor/state_dict.h"

namespace likeness::diffusion {

inline const tensor::StateDict& goldenTensors() {
  static const tensor::StateDict tensors =
      tensor::loadSafetensors(std::string(LIKENESS_GOLDEN_DIR) + "/samplers.safetensors").value();
  return tensors;
}
inline const nlohmann::json& goldenCases() {
  static const nlohmann::json cases =
      nlohmann::json::parse(std::ifstream(std::string(LIKENESS_GOLDEN_DIR) + "/samplers.json"));
  return cases;
}

inline NoiseSchedule scheduleOf(const nlohmann::json& goldenCase) {
  nn::NoiseScheduleConfig config;
  config.timestepSpacing = goldenCase.at("spacing");
  config.setAlphaToOne = goldenCase.at("setAlphaToOne");
  config.rescaleBetasZeroSnr = goldenCase.value("zeroSnr", false);
  if (goldenCase.at("prediction") == "v_prediction")
    config.predictionType = nn::PredictionType::VPrediction;
  return NoiseSchedule(config);
}
inline std::unique_ptr<Sampler> samplerOf(const nlohmann::json& goldenCase) {
  api::SamplingOptions options;
  EXPECT_TRUE(api::parseEnum(goldenCase.at("sampler").get<std::string>(), options.sampler));
  options.steps = goldenCase.at("steps");
  options.karras = goldenCase.at("karras");
  options.eta = goldenCase.at("eta");
  options.exponential = goldenCase.value("exponential", false);
  return makeSampler(scheduleOf(goldenCase), options);
}

/// The noise of each evaluation, or undefined.
inline at::Tensor goldenNoise(const nlohmann::json& goldenCase) {
  const std::string own = goldenCase.at("name").get<std::string>() + ".noise";
  const auto found = goldenTensors().find(goldenCase.value("noise", own));
  return found == goldenTensors().end() ? at::Tensor() : found->second;
}

/// The network that the golden script asks.
inline at::Tensor fakeNetwork(const Sampler& sampler, const at::Tensor& x, std::int64_t i) {
  return (sampler.scaleModelInput(x, i) + sampler.timestep(i) / 1000).sin();
}

/// |a - b| / |b| in the 2-norm.
inline double relativeError(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

}  // namespace likeness::diffusion

#include "tests/core/nn/golden_networks.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/file_system.h"

namespace likeness::nn::test {

tensor::StateDict Golden::part(const std::string& prefix) const {
  tensor::StateDict result;
  for (const auto& [key, value] : tensors)
    if (key.starts_with(prefix)) result.emplace(key.substr(prefix.size()), value);
  return result;
}

std::vector<std::string> goldenFiles(const std::string& kind) {
  const char* other = std::getenv("LIKENESS_GOLDEN_NETWORKS");
  const std::filesystem::path folder = other ? other : LIKENESS_GOLDEN_DIR "/networks";
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with(kind + "_"))
      files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

Golden readGolden(const std::string& file) {
  const auto opened = weights::SafetensorsFile::open(file);
  EXPECT_TRUE(opened) << (opened ? "" : api::message(opened.error()));
  auto tensors = tensor::loadSafetensors(file);
  EXPECT_TRUE(tensors) << (tensors ? "" : api::message(tensors.error()));
  if (!opened || !tensors) return {};
  Golden golden{std::move(*tensors),
                opened->metadata().at("config"),
                {},
                std::filesystem::path(file).stem().string()};
  golden.configFile = std::filesystem::path(testing::TempDir()) / (golden.name + ".json");
  EXPECT_TRUE(base::writeFile(golden.configFile, golden.config));
  return golden;
}

bool recordsGradients(const std::string& file) {
  const auto opened = weights::SafetensorsFile::open(file);
  return opened && std::ranges::any_of(opened->tensors(), [](const auto& tensor) {
           return tensor.first.starts_with("grad/");
         });
}

double relativeError(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wanted = b.to(at::kDouble);
  return ((a.detach().to(at::kDouble) - wanted).norm() / wanted.norm()).item<double>();
}

double largestError(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wanted = b.to(at::kDouble);
  return ((a.detach().to(at::kDouble) - wanted).abs().max() / wanted.abs().max()).item<double>();
}

void expectGradients(const tensor::StateDict& parameters,
                     const tensor::StateDict& expected,
                     double part,
                     double floor) {
  ASSERT_EQ(parameters.size(), expected.size());
  double squares = 0;
  for (const auto& [key, gradient] : expected)
    squares += std::pow(gradient.to(at::kDouble).norm().item<double>(), 2);
  for (const auto& [key, parameter] : parameters) {
    ASSERT_TRUE(expected.contains(key)) << key;
    ASSERT_TRUE(parameter.grad().defined()) << key;
    const at::Tensor wanted = expected.at(key).to(at::kDouble);
    ASSERT_EQ(parameter.grad().sizes(), wanted.sizes()) << key;
    const double error = (parameter.grad().to(at::kDouble) - wanted).norm().item<double>();
    EXPECT_LE(error, part * (wanted.norm().item<double>() + floor * std::sqrt(squares))) << key;
  }
}

void backwardThroughProbes(const Golden& golden, const tensor::StateDict& outputs) {
  at::Tensor loss;
  for (const auto& [name, output] : outputs) {
    const at::Tensor term = (output * golden.at("probe/" + name)).sum();
    loss = loss.defined() ? loss + term : term;
  }
  loss.backward();
}

}  // namespace likeness::nn::test

// Reading the files of tests/golden/make_networks_golden.py and comparing with them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor/state_dict.h"

namespace likeness::nn::test {

/// One recorded case; `configFile` holds its config as the JSON file that the loader reads.
struct Golden {
  tensor::StateDict tensors;
  std::string config;
  std::filesystem::path configFile;
  std::string name;  ///< of the file

  /// Tensors whose name begins with `prefix`, without it.
  tensor::StateDict part(const std::string& prefix) const;
  const at::Tensor& at(const std::string& key) const { return tensors.at(key); }
};

/// Files "KIND_*.safetensors" in $LIKENESS_GOLDEN_NETWORKS, else tests/golden/networks. Never
/// empty: a missing folder fails.
std::vector<std::string> goldenFiles(const std::string& kind);
Golden readGolden(const std::string& file);
/// Networks of real size are recorded without: their outputs alone are compared, in fp32.
bool recordsGradients(const std::string& file);

/// |a - b| / |b| in the 2-norm.
double relativeError(const at::Tensor& a, const at::Tensor& b);
/// max |a - b| / max |b|.
double largestError(const at::Tensor& a, const at::Tensor& b);
/// Every gradient of `parameters` against grad/KEY: |a - b| <= part (|b| + floor |all gradients|).
/// The floor is for gradients that are exactly zero (biases of keys): they come out as rounding
/// noise in any program.
void expectGradients(const tensor::StateDict& parameters,
                     const tensor::StateDict& expected,
                     double part,
                     double floor);
/// sum over outputs of <output, probe/NAME>, differentiated.
void backwardThroughProbes(const Golden& golden, const tensor::StateDict& outputs);

}  // namespace likeness::nn::test

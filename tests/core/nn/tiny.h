// The tiny model of tests/support as the tests of model folders and LoRA files use it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "core/nn/adapters.h"
#include "tests/support/temp_folder.h"

namespace likeness::nn::test {

/// A tiny model on disk, made once and never changed.
const std::filesystem::path& tinyFolder();
/// A changeable copy of it in `to`.
std::filesystem::path copyTiny(const std::filesystem::path& to);
/// Loads a folder; failing to is an error of the test.
StableDiffusion mustLoad(const std::filesystem::path& folder, const LoadOptions& options = {});

/// The UNet's output for fixed latents, times and text, in fp32.
at::Tensor unetOutput(const UNet2DConditionModel& unet);
inline at::Tensor unetOutput(const StableDiffusion& model) { return unetOutput(*model.unet.model); }
/// The text encoder's states of a fixed prompt.
at::Tensor textOutput(const StableDiffusion& model);

/// attachLora with every `up` filled from `seed` too, as if it had been trained.
tensor::StateDict attachTrained(StableDiffusion& model,
                                const api::LoraOptions& options,
                                std::uint64_t seed);
/// Adapters on all layers of the UNet and the text encoder together.
std::size_t adapterCount(const StableDiffusion& model);

/// What the error says under `name`; empty when it says nothing.
std::string said(const api::Error& error, const std::string& name);
/// Every file below `folder` by relative path, temporary ones too.
std::set<std::string> filesBelow(const std::filesystem::path& folder);
/// Bit for bit equal: keys, dtypes, shapes, values.
testing::AssertionResult equal(const tensor::StateDict& a, const tensor::StateDict& b);
tensor::StateDict mustRead(const std::filesystem::path& file);
void mustWrite(const std::filesystem::path& file,
               const tensor::StateDict& tensors,
               const std::map<std::string, std::string>& metadata = {});

}  // namespace likeness::nn::test

// LoRA: making, finding, saving, loading and merging low-rank adapters of a UNet (and text
// encoder).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

/// A fresh adapter for every slot whose key ends in one of `targets`: down ~ N(0, 1/rank), up = 0
/// (diffusers' "gaussian"), drawn by (seed, AdapterInit). Returns its trainable fp32 tensors by
/// PEFT key
/// ("down_blocks....to_q.lora_A.weight"), sharing memory with the slots.
tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed);
/// W + strength * scale * up @ down for every slot that carries adapters; other tensors are shared.
tensor::StateDict mergedWeights(const ParameterStore& store);

/// Reads a kohya or PEFT/diffusers LoRA file and attaches it live. Errors: BadAdapter (names what
/// does not fit).
api::Result<void> attachAdapterFile(StableDiffusion& model,
                                    const std::filesystem::path& file,
                                    double strength);
/// kohya's interchange form: lora_unet_<path>.{lora_down.weight, lora_up.weight, alpha}, ss_ and
/// modelspec metadata.
api::Result<void> saveKohyaLora(const tensor::StateDict& peft,
                                const std::filesystem::path& out,
                                at::ScalarType dtype,
                                double alpha,
                                const std::map<std::string, std::string>& metadata);

}  // namespace likeness::nn

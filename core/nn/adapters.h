// LoRA: making, finding, saving, loading and merging low-rank adapters of a UNet (and text
// encoder).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/api/options.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::nn {

/// A fresh adapter for every slot whose key ends in one of `targets` (whole parts: "to_q" is not
/// "my_to_q"): down ~ N(0, 1/rank), up = 0 (diffusers' "gaussian"), drawn by (seed, AdapterInit,
/// index of the slot). Returns its trainable fp32 leaves by PEFT key
/// ("down_blocks....to_q.lora_A.weight"), sharing memory with the slots; empty when no target
/// matches.
tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed);
/// W + strength * scale * up @ down for every slot that carries adapters, summed in fp32; other
/// tensors are shared.
tensor::StateDict mergedWeights(const ParameterStore& store);
/// Sets the live strength of the `index`-th adapter of every slot.
void setAdapterStrength(ParameterStore& store, std::size_t index, double strength);

/// Reads a kohya or PEFT/diffusers LoRA file and attaches it live, in the stores' dtype and device.
/// PEFT keys may begin with "unet.", "text_encoder." or "base_model.model."; without one they mean
/// the UNet. alpha comes from its tensors, else from the metadata `alpha` or
/// `lora_adapter_metadata`, else it is the rank. Nothing is attached when something does not fit.
/// Errors: FileNotFound, FileUnreadable, BadModelFile, BadAdapter (names what does not fit).
api::Result<void> attachAdapterFile(StableDiffusion& model,
                                    const std::filesystem::path& file,
                                    double strength);
/// kohya's interchange form: lora_unet_<path>.{lora_down.weight, lora_up.weight, alpha}, with ss_*
/// and modelspec.* metadata
/// (`metadata` adds to or replaces it) and the sshs_ hashes that other programs show. `peft` as
/// attachLora returns it.
api::Result<void> saveKohyaLora(const tensor::StateDict& peft,
                                const std::filesystem::path& out,
                                at::ScalarType dtype,
                                double alpha,
                                const std::map<std::string, std::string>& metadata);
/// A run's checkpoint: PEFT keys as diffusers' load_lora_weights reads them
/// ("unet.<path>.lora_A.weight"), in fp32, rank and alpha in `lora_adapter_metadata`.
api::Result<weights::WrittenFile> savePeftLora(const tensor::StateDict& peft,
                                               const std::filesystem::path& out,
                                               double alpha);
/// The counterpart, with the keys that attachLora returns. Errors: those of loadSafetensors.
api::Result<tensor::StateDict> loadPeftLora(const std::filesystem::path& file);

}  // namespace likeness::nn

// LoRA and its relatives: making, finding, saving, loading and merging adapters of a UNet and of
// text encoders.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/api/train_options.h"
#include "core/nn/stable_diffusion.h"
#include "core/nn/weight_change.h"

namespace likeness::nn {

/// alpha / rank, of every layer: convolutions have alpha in proportion to their rank.
double adapterScale(const api::LoraOptions& options);
/// A fresh adapter, which changes nothing yet, for every slot that weights::adapterRank gives a
/// rank and `isUsed` lets pass, drawn by (seed, AdapterInit, index of the slot, network):
///   LoRA: down ~ N(0, 1/rank), up = 0 (diffusers' "gaussian"); DoRA: also the weight's norms;
///   LoKr: as LyCORIS, the second factor whole where the rank is at least half of its larger side.
/// Returns the trainable fp32 leaves by key ("down_blocks....to_q.lora_A.weight"), sharing memory
/// with the slots; empty when no target matches.
tensor::StateDict attachLora(ParameterStore& store,
                             const api::LoraOptions& options,
                             std::uint64_t seed,
                             weights::NetworkKind network = weights::NetworkKind::UNet,
                             const std::function<bool(const std::string& key)>& isUsed = {});
/// W plus what every adapter adds to it at its strength, summed in fp32; other tensors are shared.
tensor::StateDict mergedWeights(const ParameterStore& store);
/// Files and fresh adapters on the store; the next one gets this number.
std::size_t adapterCount(const ParameterStore& store);
/// Sets the live strength of one of them. A file's number is the same in all networks of a model.
void setAdapterStrength(const ParameterStore& store, std::size_t number, double strength);

/// Reads an adapter file of any dialect of weights::AdapterDialect and any kind of
/// weights::AdapterKind, with DoRA or without, and attaches it live, in the stores' dtype and
/// device; a folder of PEFT or diffusers means the file in it. alpha comes from its tensors, else
/// from PEFT's `adapter_config.json` beside it or the metadata `lora_adapter_metadata` or `alpha`,
/// else it is the rank. The strength of a DoRA goes from the weight (0) to the decomposed one (1),
/// as in ComfyUI. Nothing is attached when something does not fit. Errors: FileNotFound,
/// FileUnreadable, BadModelFile, BadAdapter (names what does not fit; all of it in the detail).
api::Result<void> attachAdapterFile(StableDiffusion& model,
                                    const std::filesystem::path& file,
                                    double strength);

/// A LoRA, LoCon, DoRA or trained LoKr outside of a model.
struct LoraModule {
  at::Tensor down;            ///< [rank, in] or [rank, in, k, k]
  at::Tensor up;              ///< [out, rank] or [out, rank, 1, 1]
  at::Tensor mid = {};        ///< Tucker core, see Adapter::mid
  at::Tensor magnitude = {};  ///< DoRA
  double alpha = 0;
  bool magnitudeOfColumns = false;
  AdapterParts lokr =
      {};  ///< LokrW1 and either LokrW2 or LokrW2A and LokrW2B; the others undefined
};
struct Lora {
  std::map<weights::AdapterTarget, LoraModule> modules;
  weights::Family family = weights::Family::StableDiffusion1;
  std::map<std::string, std::string> metadata;  ///< ModelSpec's and kohya's entries
  /// Of the model it is for, where the numbers of blocks may be others than the family's.
  std::optional<weights::ModelConfigs> configs = {};
};
/// What a run trains and its checkpoints hold: what attachLora returned for each network, its keys
/// behind "unet.", "text_encoder." or "text_encoder_2."; detached.
Lora loraOf(const tensor::StateDict& adapter, double scale);
/// What makes a checkpoint's file one of PEFT's: `lora_adapter_metadata`.
std::map<std::string, std::string> peftMetadata(const Lora& lora);
/// Any file that attachAdapterFile reads, for layers of the published models. Errors: the same;
/// BadAdapter also for LoHa and LoKr.
api::Result<Lora> readLora(const std::filesystem::path& file);

enum class LoraForm {
  Kohya,  ///< lora_unet_..., lora_te_ or lora_te1_ and lora_te2_; SDXL's UNet in the original names
  Peft    ///< as diffusers and peft read it: "unet.<path>.lora_A.weight", "unet.<path>.lokr_w1"
};
/// With the metadata that other programs look for: kohya's form has ss_ and modelspec. entries
/// (those of the Lora win) and the sshs_ hashes, PEFT's has ranks and alphas in
/// `lora_adapter_metadata`. Errors: FileUnwritable, DiskFull; BadAdapter for what the form cannot
/// hold, BadCombination with the other form for a LoKr that PEFT would divide otherwise.
api::Result<weights::WrittenFile> saveLora(const Lora& lora,
                                           LoraForm form,
                                           const std::filesystem::path& out,
                                           std::optional<at::ScalarType> dtype);

/// How far two do other things to weights: the largest relative difference of a module's change or
/// magnitude, infinite when they have other modules.
double loraDifference(const Lora& a, const Lora& b);

}  // namespace likeness::nn

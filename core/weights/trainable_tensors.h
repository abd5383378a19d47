// What of a network can be trained: the parameters on which a prediction depends; and which layers
// get an adapter, of which rank and of what tensors. Training and predicting what it takes agree on
// it.
#pragma once

#include <string>
#include <string_view>

#include "core/api/train_options.h"
#include "core/weights/stored_network.h"

namespace likeness::weights {

/// Whether what SDXL reads of its text encoder, at clip skip 1, depends on the parameter or layer.
bool isReadByXl(const ClipTextConfig& config, std::string_view key);

/// The rank that the options give to a layer: `rank` for those of the UNet whose key ends in one of
/// `targets` (whole parts: "to_q" is not "my_to_q"), `convRank` for the convolutions of its resnets
/// and samplers, `rank` for the text encoders' attention when they are adapted (peft's choice of
/// layers); 0 = none.
std::int64_t adapterRank(NetworkKind network,
                         const std::string& moduleKey,
                         const api::LoraOptions& options);
/// Shapes of what an adapter of this rank trains for a weight, by the suffix of their keys, with
/// the names of PEFT ("lora_A.weight", "lora_magnitude_vector") or LyCORIS ("lokr_w1").
TensorShapes adapterShapes(const Shape& weight, std::int64_t rank, const api::LoraOptions& options);

}  // namespace likeness::weights

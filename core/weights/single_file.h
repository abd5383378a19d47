// The two forms of a model, opened by openModel.
#pragma once

#include "core/weights/stored_model.h"

namespace likeness::weights {

api::Result<StoredModel> openSingleFile(const ModelFiles& files);
api::Result<StoredModel> openModelFolder(const ModelFiles& files);

/// The network of a kind from a file or folder of its own. Errors: those of openNetwork.
api::Result<StoredNetwork> openPart(const ModelConfigs& configs,
                                    NetworkKind kind,
                                    const std::filesystem::path& fileOrFolder);
/// What a UNet is for, by its input channels; empty = text to picture.
std::string variantOf(const UNet2DConditionConfig& unet);

}  // namespace likeness::weights

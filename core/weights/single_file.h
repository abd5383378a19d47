// The two forms of a model, opened by openModel.
#pragma once

#include "core/weights/stored_model.h"

namespace likeness::weights {

api::Result<StoredModel> openSingleFile(const ModelFiles& files);
api::Result<StoredModel> openModelFolder(const ModelFiles& files);

}  // namespace likeness::weights

// The class pictures of a run: made once for each class whose subjects bring none of their own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/api/requests.h"
#include "core/base/reporter.h"
#include "core/data/photo_set.h"
#include "core/nn/stable_diffusion.h"
#include "core/train/ranks.h"

namespace likeness::train {

struct ClassFile {
  std::size_t subject = 0;  ///< the first one of its class (api::classesOf)
  std::filesystem::path file;
};

/// Makes this rank's part of the pictures that are missing (data::makeClassImages), class by class,
/// reported as one stage. All files, of all ranks; nothing after a stop request.
api::Result<std::optional<std::vector<ClassFile>>> makeClassPictures(
    const api::TrainRequest& recipe,
    const nn::StableDiffusion& model,
    at::ScalarType compute,
    const Ranks& ranks,
    base::Reporter& reporter);
/// Hashes them, each with the class prompt of its class; once every rank has made its part. Errors:
/// those of data::know().
api::Result<std::vector<data::TrainingPicture>> openClassPictures(
    const api::TrainRequest& recipe, const std::vector<ClassFile>& files);

}  // namespace likeness::train

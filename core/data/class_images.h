// Pictures of the class made by the base model: cached under their key, resumable, shared by every
// run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/base/reporter.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::data {

/// workspace::classImageKey of the pictures that this model makes.
std::string classImageKey(const api::ClassImagesRequest& request,
                          const nn::StableDiffusion& model,
                          at::ScalarType dtype);

struct ClassImageSet {
  std::filesystem::path folder;              ///< request.outFolder / key
  std::vector<std::filesystem::path> files;  ///< 0000.png ..., as many as asked for, in order
  std::int64_t made = 0;                     ///< of them in this call
  bool cancelled = false;
};
/// Pictures that are dealt out to several processes: one takes all i with i mod of = rank.
struct Dealt {
  std::int64_t rank = 0, of = 1;
  /// Pictures of other classes that a job makes before and after; in what is reported they count.
  std::int64_t before = 0, after = 0;
};
/// Makes the pictures of `dealt` that are missing, computing in `dtype`; picture i has seed
/// request.seed + i and does not depend on the count, and on the batch only within the last bits of
/// matrix products (at most 1 of 255 per pixel in fp32). A picture that is there is kept when it
/// can be read and has the right size. Each is written whole with its request inside, so a killed
/// call continues where it was. Reports stage, progress and each picture (also the ones found).
/// Never records gradients. Errors: NonFinite, NotEnoughMemory, FileUnwritable, DiskFull.
api::Result<ClassImageSet> makeClassImages(const api::ClassImagesRequest& request,
                                           const nn::StableDiffusion& model,
                                           at::ScalarType dtype,
                                           base::Reporter& reporter,
                                           const Dealt& dealt = {});

}  // namespace likeness::data

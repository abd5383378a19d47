// What the autoencoder sees in each picture, computed once and kept on disk.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/reporter.h"
#include "core/data/data_plan.h"
#include "core/data/photo_set.h"
#include "core/image/prepare.h"
#include "core/nn/stable_diffusion.h"
#include "core/tensor/state_dict.h"

namespace likeness::data {

/// A picture as the autoencoder's diagonal Gaussian, unscaled, [4, h, w] fp32. Mean and standard
/// deviation are both kept, so that each step draws its own latents from them.
struct Latents {
  at::Tensor mean, std;
  nn::PictureSize size;  ///< of the picture that was encoded, mirrored or not
  /// What counts in the loss, [1, h, w] fp32 within 0..1, mirrored where the picture is; undefined
  /// = everything alike.
  at::Tensor mask{};
};

/// One half's pictures, ready to train on.
struct LatentSet {
  std::vector<TrainingPicture> pictures;
  std::vector<Latents> plain;     ///< all versions of the first picture, of the second, ...
  std::vector<Latents> mirrored;  ///< as many, or none when pictures are never flipped
  std::int64_t versions = 1;      ///< of each picture, see Draw::version

  const Latents& latents(const Draw& draw) const;
  const std::string& prompt(const Draw& draw) const;
};

/// The shape (width, height in pixels) of a picture's latents; of a photo all versions have it.
image::Shape shapeOf(const LatentSet& set, std::size_t picture);
/// The shapes of a set of photos, each once, in the order of the photos.
std::vector<image::Shape> shapesOf(const LatentSet& set);

/// `folder`/<key>.safetensors with mean, std, size and, where the picture has a mask, that; key =
/// hash(content, model weights, crop, view, content of the mask). Pictures are encoded one by one,
/// so the values do not depend on their neighbours. An unreadable or misshaped cache file is made
/// anew.
class LatentCache {
 public:
  /// Refers to `model`, whose autoencoder and weightHash it uses.
  LatentCache(std::filesystem::path folder, const nn::StableDiffusion& model);

  /// Errors: those of readPicture(), FileUnwritable, DiskFull.
  api::Result<Latents> get(const TrainingPicture& picture, const View& view) const;
  /// A version of each picture for every view, and as many mirrored when asked for, with progress
  /// in `stage`; a stop request returns what is there.
  api::Result<LatentSet> getAll(std::vector<TrainingPicture> pictures,
                                const std::vector<View>& views,
                                bool mirrored,
                                api::Stage stage,
                                base::Reporter& reporter) const;

 private:
  std::filesystem::path fileOf(const TrainingPicture& picture, const View& view) const;
  bool fits(const tensor::StateDict& cached,
            const TrainingPicture& picture,
            const View& view) const;

  std::filesystem::path m_folder;
  const nn::StableDiffusion& m_model;
};

}  // namespace likeness::data

// What the autoencoder sees in each picture, computed once and kept on disk.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/reporter.h"
#include "core/data/photo_set.h"
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
  std::vector<Latents> plain;
  std::vector<Latents> mirrored;  ///< as many, or none when pictures are never flipped
};

/// `folder`/<key>.safetensors with mean, std and size; key = hash(content, model weights, crop,
/// resolution, mirrored). Pictures are encoded one by one, so the values do not depend on their
/// neighbours. An unreadable or misshaped cache file is made anew.
class LatentCache {
 public:
  /// Refers to `model`, whose autoencoder and weightHash it uses.
  LatentCache(std::filesystem::path folder, const nn::StableDiffusion& model, int resolution);

  /// Errors: PhotoChanged and those of image::readPhoto, FileUnwritable, DiskFull.
  api::Result<Latents> get(const TrainingPicture& picture, bool mirrored) const;
  /// All of them, with progress in `stage`; a stop request returns what is there.
  api::Result<LatentSet> getAll(std::vector<TrainingPicture> pictures,
                                bool mirrored,
                                api::Stage stage,
                                base::Reporter& reporter) const;

 private:
  std::filesystem::path fileOf(const TrainingPicture& picture, bool mirrored) const;
  bool fits(const tensor::StateDict& cached) const;

  std::filesystem::path m_folder;
  const nn::StableDiffusion& m_model;
  int m_resolution;
};

}  // namespace likeness::data

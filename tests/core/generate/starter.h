// The starter model, loaded once; pictures of 64 px in a few steps, so nothing here depends on what
// it has learned.
#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "core/api/image.h"
#include "core/base/file_system.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::generate {

/// On one thread: networks this small gain nothing from more, and a busy machine would stall them.
inline const nn::StableDiffusion& starter() {
  at::set_num_threads(1);
  static const nn::StableDiffusion model =
      nn::loadStableDiffusion({base::findResources() / "starter"}, {}).value();
  return model;
}

/// Largest difference of a channel; 256 when the sizes differ.
inline int maxDifference(const api::Image& a, const api::Image& b) {
  if (a.width != b.width || a.height != b.height || a.format != b.format) return 256;
  int difference = 0;
  for (std::size_t i = 0; i < a.bytes->size(); ++i)
    difference = std::max(difference, std::abs(int{(*a.bytes)[i]} - int{(*b.bytes)[i]}));
  return difference;
}

}  // namespace likeness::generate

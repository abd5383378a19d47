// A picture to begin with, from files: image to image and inpainting.
#pragma once

#include <filesystem>
#include <optional>

#include "core/api/image.h"
#include "core/api/result.h"
#include "core/generate/generator.h"

namespace likeness::generate {

/// The picture (and mask) of a request, whole.
struct StartFiles {
  api::Image picture;
  std::optional<api::Image> mask;  ///< white is drawn anew, black is kept

  struct Size {
    std::int64_t width, height;
  };
  /// Multiples of 8 with about resolution^2 pixels and the picture's aspect.
  Size sizeFor(std::int64_t resolution) const;
  /// Cut centrally to the aspect of width x height and scaled to it; the mask is cut at half.
  StartPicture at(std::int64_t width, std::int64_t height, double strength) const;
  /// `made` where the mask is white, the picture where it is black, a mixture where it is grey; as
  /// large as `made`. Without a mask `made` itself.
  api::Image pasted(const api::Image& made) const;
};
/// `mask` may be empty. Errors: those of image::readPhoto; BadCombination when the mask has another
/// shape than the picture, or no white.
api::Result<StartFiles> readStart(const std::filesystem::path& picture,
                                  const std::filesystem::path& mask);

}  // namespace likeness::generate

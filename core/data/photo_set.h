// The pictures a run learns from: identity by content, words, pixels at the training resolution.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/api/image.h"
#include "core/api/requests.h"
#include "core/base/reporter.h"

namespace likeness::data {

/// A picture of either half and what it is paired with.
struct TrainingPicture {
  std::filesystem::path file;
  std::string prompt;                 ///< rendered, no placeholders
  std::optional<api::CropRect> crop;  ///< absent = centre crop
  std::string contentHash;            ///< SHA-256 of the file, hex
  std::uintmax_t bytes = 0;           ///< size and time of change when it was hashed
  std::filesystem::file_time_type changed;
};

/// Hashes one file. Errors: FileNotFound, FileUnreadable.
api::Result<TrainingPicture> identify(const std::filesystem::path& file,
                                      std::string prompt,
                                      std::optional<api::CropRect> crop = {});
/// The request's photos without the excluded ones, captions rendered. Reports progress; a stop
/// request ends it early with the photos so far. Errors: NoPhotos, those of identify().
api::Result<std::vector<TrainingPicture>> openPhotos(const api::TrainRequest& request,
                                                     base::Reporter& reporter);
/// Whether the file is still the one that was hashed, by size and time.
bool unchanged(const TrainingPicture& picture);
/// Upright sRGB, cropped and resized to resolution x resolution. Errors: PhotoChanged (also when it
/// vanished since it was hashed), those of image::readPhoto.
api::Result<api::Image> readPicture(const TrainingPicture& picture, int resolution);

}  // namespace likeness::data

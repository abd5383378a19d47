// The pictures a run learns from: identity by content, words, pixels at the training resolution.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/api/image.h"
#include "core/api/requests.h"
#include "core/api/result.h"
#include "core/nn/conditioning.h"

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
/// The request's photos without the excluded ones, hashed and with captions rendered; nothing is
/// decoded. A stop request ends it early with the photos so far. Errors: NoPhotos, those of
/// identify().
api::Result<std::vector<TrainingPicture>> openPhotos(const api::TrainRequest& request,
                                                     const std::stop_token& stop);
/// Whether the file is still the one that was hashed, by size and time.
bool unchanged(const TrainingPicture& picture);
struct ReadPicture {
  api::Image image;
  nn::PictureSize size, mirroredSize;  ///< of the photo, and of the photo mirrored before its crop
};
/// Upright sRGB, cropped and resized to resolution x resolution. Errors: PhotoChanged (also when it
/// vanished since it was hashed), those of image::readPhoto.
api::Result<ReadPicture> readPicture(const TrainingPicture& picture, int resolution);

}  // namespace likeness::data

// The pictures a run learns from: identity by content, words, masks, pixels as they are trained.
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

/// A file as it was when it was hashed.
struct KnownFile {
  std::filesystem::path file;
  std::string contentHash;   ///< SHA-256, hex
  std::uintmax_t bytes = 0;  ///< size and time of change when it was hashed
  std::filesystem::file_time_type changed;
};
/// Hashes one file. Errors: FileNotFound, FileUnreadable.
api::Result<KnownFile> know(const std::filesystem::path& file);
/// Whether the file is still the one that was hashed, by size and time.
bool unchanged(const KnownFile& known);

/// A picture of either half and what it is paired with.
struct TrainingPicture : KnownFile {
  std::vector<std::string> prompts;   ///< at least one; rendered, no placeholders
  std::optional<api::CropRect> crop;  ///< absent = centre crop
  std::optional<KnownFile> mask;      ///< the picture's own file: its opacity
  std::int64_t repeats = 1;           ///< visits in one epoch
  /// Whose it is, numbered as api::subjectsOf(); of a class picture the class (api::classesOf).
  std::size_t subject = 0;
};

/// Hashes one picture; its words are `prompts`. Errors: those of know().
api::Result<TrainingPicture> identify(const std::filesystem::path& file,
                                      std::vector<std::string> prompts,
                                      std::optional<api::CropRect> crop = {});
/// The photos of all subjects without the excluded ones, hashed and with captions rendered.
/// Captions and masks are their own, else what lies beside them (workspace::besidePhoto), else the
/// subject prompt and none; every word is that of the photo's own subject. Nothing is decoded. A
/// stop request ends it early with the photos so far. Errors: NoPhotos (also of one subject), those
/// of know() and workspace::readCaptions().
api::Result<std::vector<TrainingPicture>> openPhotos(const api::TrainRequest& request,
                                                     const std::stop_token& stop);

/// The pictures in the folders of their class that subjects bring, at most `classImages` of each by
/// name, with the captions that lie beside them, else the class prompt. Errors: FileNotFound,
/// FileUnreadable (not a folder), NoPhotos, those of openPhotos().
api::Result<std::vector<TrainingPicture>> openClassFolders(const api::TrainRequest& request,
                                                           const std::stop_token& stop);

/// How a picture is prepared for the autoencoder.
struct View {
  int width = 0, height = 0;  ///< pixels
  /// Above 0 the picture's own shape is taken, of sides that are multiples of it and of at most
  /// this area (image::shapeOf with `width` as side).
  int bucketStep = 0;
  /// Random crop and colours, as in DataOptions, drawn by (seed, content, copy).
  double cropJitter = 0, colorJitter = 0;
  std::uint64_t seed = 0;
  std::int64_t copy = 0;
  bool mirrored = false;

  bool jitters() const { return cropJitter > 0 || colorJitter > 0; }
};

struct ReadPicture {
  api::Image image;         ///< mirrored when the view is
  nn::PictureSize size;     ///< of the photo, mirrored before its crop when the view is
  std::vector<float> mask;  ///< rows of (height / latentFactor) x (width / latentFactor), or empty
};
/// Upright sRGB, cropped and resized as the view says, and its mask at the size of latents.
/// Errors: PhotoChanged (also when it or its mask vanished since it was hashed), those of
/// image::readPhoto and image::readMask, FileUnreadable for a mask of another shape.
api::Result<ReadPicture> readPicture(const TrainingPicture& picture,
                                     const View& view,
                                     int latentFactor);

}  // namespace likeness::data

// Photos: hashed once, decoded when their latents are not cached.
#include "core/data/photo_set.h"

#include <cmath>

#include "core/base/hash.h"
#include "core/image/photo.h"

namespace likeness::data {
namespace fs = std::filesystem;
using api::ErrorCode;

api::Result<TrainingPicture> identify(const fs::path& file,
                                      std::string prompt,
                                      std::optional<api::CropRect> crop) {
  TrainingPicture picture{file, std::move(prompt), crop, {}, 0, {}};
  // Before the content, so that a change in between is noticed later.
  std::error_code ignored;
  picture.bytes = fs::file_size(file, ignored);
  picture.changed = fs::last_write_time(file, ignored);
  auto hash = base::sha256File(file);
  if (!hash) return api::fail(hash.error());
  picture.contentHash = std::move(*hash);
  return picture;
}

api::Result<std::vector<TrainingPicture>> openPhotos(const api::TrainRequest& request,
                                                     const std::stop_token& stop) {
  std::vector<TrainingPicture> pictures;
  for (const api::Photo& photo : request.photos) {
    if (stop.stop_requested()) return pictures;
    if (photo.excluded) continue;
    const std::string& words =
        photo.caption.empty() ? request.subject.subjectPrompt : photo.caption;
    auto picture = identify(photo.file, api::renderPrompt(words, request.subject), photo.crop);
    if (!picture) return api::fail(picture.error());
    pictures.push_back(std::move(*picture));
  }
  if (pictures.empty()) {
    const fs::path folder =
        request.photos.empty() ? request.runFolder : request.photos.front().file.parent_path();
    return api::fail(ErrorCode::NoPhotos, {{"folder", folder.string()}});
  }
  return pictures;
}

bool unchanged(const TrainingPicture& picture) {
  std::error_code error;
  const auto bytes = fs::file_size(picture.file, error);
  if (error) return false;
  const auto changed = fs::last_write_time(picture.file, error);
  return !error && bytes == picture.bytes && changed == picture.changed;
}

api::Result<ReadPicture> readPicture(const TrainingPicture& picture, int resolution) {
  auto decoded = image::readPhoto(picture.file);
  // Looked at afterwards: whatever was decoded is then what was hashed.
  if (!unchanged(picture))
    return api::fail(ErrorCode::PhotoChanged, {{"file", picture.file.string()}});
  if (!decoded) return api::fail(decoded.error());
  const api::Image& whole = decoded->image;
  const image::PixelRect cut = image::cutOf(whole, picture.crop, resolution, resolution);
  // As diffusers: the whole photo scaled so that the crop has its final size.
  const auto scaled = [&](int offset, int side) {
    return static_cast<std::int64_t>(std::lround(1.0 * offset * resolution / side));
  };
  ReadPicture read{
      image::cropAndResize(whole, picture.crop, resolution, resolution),
      {whole.height, whole.width, scaled(cut.y, cut.height), 0, resolution, resolution},
      {}};
  read.mirroredSize = read.size;
  read.size.cropLeft = scaled(cut.x, cut.width);
  read.mirroredSize.cropLeft = scaled(whole.width - cut.x - cut.width, cut.width);
  return read;
}

}  // namespace likeness::data

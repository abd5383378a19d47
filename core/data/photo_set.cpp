// Photos: hashed once, decoded when their latents are not cached.
#include "core/data/photo_set.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/api/subjects.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/image/prepare.h"
#include "core/text/lines.h"
#include "core/workspace/photo_folder.h"

namespace likeness::data {
namespace fs = std::filesystem;
using api::ErrorCode;

namespace {

/// The words of a photo: its own, else those beside it, else `otherwise`.
api::Result<std::vector<std::string>> promptsOf(const api::Photo& photo,
                                                const workspace::BesidePhoto& beside,
                                                const api::SubjectOptions& subject,
                                                const std::string& otherwise) {
  auto lines = text::linesOf(photo.caption);
  if (lines.empty()) {
    auto read = workspace::readCaptions(beside);
    if (!read) return read;
    lines = std::move(*read);
    if (!beside.ignoredCaption.empty())
      base::log(base::LogLevel::Warning,
                beside.ignoredCaption.string() + " is not read, for there is " +
                    beside.caption.filename().string() + " too");
  }
  if (lines.empty()) lines.push_back(otherwise);
  for (std::string& line : lines) line = api::renderPrompt(line, subject);
  return lines;
}

/// Draws of one copy: functions of what is in the file, so that neither its name nor other photos
/// change them.
base::Random copyStream(const TrainingPicture& picture, const View& view) {
  std::uint64_t content = 0;
  const std::string_view digits = std::string_view(picture.contentHash).substr(0, 16);
  std::from_chars(digits.data(), digits.data() + digits.size(), content, 16);
  return {view.seed, base::Purpose::Crop, content, static_cast<std::uint64_t>(view.copy)};
}

image::PixelRect jitteredCut(const TrainingPicture& picture,
                             const View& view,
                             const image::PixelRect& cut) {
  if (view.cropJitter == 0) return cut;
  const base::Random random = copyStream(picture, view);
  return image::jittered(
      cut, view.cropJitter, {random.uniform(0), random.uniform(1), random.uniform(2)});
}

api::Image jitteredColours(const TrainingPicture& picture, const View& view, api::Image image) {
  if (view.colorJitter == 0) return image;
  const base::Random random = copyStream(picture, view);
  const auto factor = [&](std::uint64_t draw) {
    return 1 + view.colorJitter * (2 * random.uniform(draw) - 1);
  };
  return image::changeColours(image, {factor(3), factor(4), factor(5)});
}

image::Shape shapeIn(const TrainingPicture& picture, const View& view, const api::Image& whole) {
  if (view.bucketStep == 0) return {view.width, view.height};
  const api::CropRect part = picture.crop.value_or(api::CropRect{});
  return image::shapeOf(
      part.width * whole.width / (part.height * whole.height), view.width, view.bucketStep);
}

/// The mask of a whole photo; nothing but its edges may be off by rounding.
api::Result<api::Image> maskOf(const TrainingPicture& picture, const api::Image& whole) {
  const KnownFile& known = *picture.mask;
  auto mask = image::readMask(known.file, known.file == picture.file);
  if (!unchanged(known)) return api::fail(ErrorCode::PhotoChanged, {{"file", known.file.string()}});
  if (!mask) return mask;
  const auto size = [](const api::Image& image) {
    return std::to_string(image.width) + " x " + std::to_string(image.height) + " px";
  };
  constexpr double kSlack = 0.01;
  const double stretch = 1.0 * mask->width * whole.height / (1.0 * mask->height * whole.width);
  if (std::abs(stretch - 1) <= kSlack) return mask;
  return api::fail(ErrorCode::FileUnreadable,
                   {{"file", known.file.string()},
                    {"reason",
                     "it is a mask of " + size(*mask) + " for a photo of " + size(whole) +
                         ", which is another shape"},
                    {"fix", "Paint it over the whole photo, or take it away"}});
}

api::Result<std::vector<TrainingPicture>> openAll(const std::vector<api::Photo>& photos,
                                                  const api::SubjectOptions& subject,
                                                  const std::string& otherwise,
                                                  const std::stop_token& stop) {
  std::vector<TrainingPicture> pictures;
  for (const api::Photo& photo : photos) {
    if (stop.stop_requested()) break;
    if (photo.excluded) continue;
    const auto beside = workspace::besidePhoto(photo.file);
    auto prompts = promptsOf(photo, beside, subject, otherwise);
    if (!prompts) return api::fail(prompts.error());
    auto picture = identify(photo.file, std::move(*prompts), photo.crop);
    if (!picture) return api::fail(picture.error());
    picture->repeats = photo.repeats;
    if (const fs::path& mask = photo.mask.empty() ? beside.mask : photo.mask; !mask.empty()) {
      auto known = know(mask);
      if (!known) return api::fail(known.error());
      picture->mask = std::move(*known);
    }
    pictures.push_back(std::move(*picture));
  }
  return pictures;
}

api::Result<std::vector<TrainingPicture>> openClassFolder(const fs::path& folder,
                                                          const api::SubjectOptions& subject,
                                                          std::int64_t count,
                                                          const std::stop_token& stop) {
  std::error_code error;
  if (!fs::exists(folder, error))
    return api::fail(ErrorCode::FileNotFound, {{"file", folder.string()}});
  if (!fs::is_directory(folder, error))
    return api::fail(ErrorCode::FileUnreadable,
                     {{"file", folder.string()},
                      {"reason", "own class pictures are a folder, and it is a file"},
                      {"fix", "Name the folder that the pictures lie in"}});
  auto photos = workspace::expandDrop({folder}).photos;
  if (photos.empty())
    return api::fail(
        ErrorCode::NoPhotos,
        {{"folder", folder.string()},
         {"fix",
          "Put pictures of other things of the class there, or leave classFolder empty "
          "and let the model make them"}});
  photos.resize(std::min(photos.size(), static_cast<std::size_t>(count)));
  // A kohya folder's words are the subject's way of speaking; repeats balance halves that we pair.
  for (api::Photo& photo : photos) {
    photo.caption.clear();
    photo.repeats = 1;
  }
  auto pictures = openAll(photos, subject, subject.classPrompt, stop);
  if (pictures)
    for (TrainingPicture& picture : *pictures) picture.mask.reset();
  return pictures;
}

}  // namespace

api::Result<KnownFile> know(const fs::path& file) {
  KnownFile known{file, {}, 0, {}};
  // Before the content, so that a change in between is noticed later.
  std::error_code ignored;
  known.bytes = fs::file_size(file, ignored);
  known.changed = fs::last_write_time(file, ignored);
  auto hash = base::sha256File(file);
  if (!hash) return api::fail(hash.error());
  known.contentHash = std::move(*hash);
  return known;
}

bool unchanged(const KnownFile& known) {
  std::error_code error;
  const auto bytes = fs::file_size(known.file, error);
  if (error) return false;
  const auto changed = fs::last_write_time(known.file, error);
  return !error && bytes == known.bytes && changed == known.changed;
}

api::Result<TrainingPicture> identify(const fs::path& file,
                                      std::vector<std::string> prompts,
                                      std::optional<api::CropRect> crop) {
  auto known = know(file);
  if (!known) return api::fail(known.error());
  return TrainingPicture{std::move(*known), std::move(prompts), crop, {}, 1, 0};
}

api::Result<std::vector<TrainingPicture>> openPhotos(const api::TrainRequest& request,
                                                     const std::stop_token& stop) {
  std::vector<TrainingPicture> all;
  const auto subjects = api::subjectsOf(request);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const auto& [words, photos, classFolder] = subjects[i];
    auto pictures = openAll(photos, words, words.subjectPrompt, stop);
    if (!pictures) return pictures;
    if (stop.stop_requested()) break;
    if (pictures->empty()) {
      const fs::path folder =
          photos.empty() ? request.runFolder : photos.front().file.parent_path();
      return api::fail(ErrorCode::NoPhotos, {{"folder", folder.string()}});
    }
    for (TrainingPicture& picture : *pictures) {
      picture.subject = i;
      all.push_back(std::move(picture));
    }
  }
  return all;
}

api::Result<std::vector<TrainingPicture>> openClassFolders(const api::TrainRequest& request,
                                                           const std::stop_token& stop) {
  std::vector<TrainingPicture> all;
  const auto subjects = api::subjectsOf(request);
  const auto classes = api::classesOf(request);
  for (std::size_t i = 0; i < subjects.size() && !stop.stop_requested(); ++i) {
    const auto& [words, photos, folder] = subjects[i];
    if (folder.empty() || classes[i] != i) continue;
    auto pictures = openClassFolder(folder, words, request.prior.classImages, stop);
    if (!pictures) return pictures;
    for (TrainingPicture& picture : *pictures) {
      picture.subject = i;
      all.push_back(std::move(picture));
    }
  }
  return all;
}

api::Result<ReadPicture> readPicture(const TrainingPicture& picture,
                                     const View& view,
                                     int latentFactor) {
  auto decoded = image::readPhoto(picture.file);
  // Looked at afterwards: whatever was decoded is then what was hashed.
  if (!unchanged(picture))
    return api::fail(ErrorCode::PhotoChanged, {{"file", picture.file.string()}});
  if (!decoded) return api::fail(decoded.error());
  const api::Image& whole = decoded->image;
  const auto [width, height] = shapeIn(picture, view, whole);
  const image::PixelRect cut =
      jitteredCut(picture, view, image::cutOf(whole, picture.crop, width, height));
  // As diffusers: the whole photo scaled so that the crop has its final size.
  const auto scaled = [](int offset, int side, int target) {
    return static_cast<std::int64_t>(std::lround(1.0 * offset * target / side));
  };
  const int left = view.mirrored ? whole.width - cut.x - cut.width : cut.x;
  ReadPicture read{jitteredColours(picture, view, image::resizeCut(whole, cut, width, height)),
                   {whole.height,
                    whole.width,
                    scaled(cut.y, cut.height, height),
                    scaled(left, cut.width, width),
                    height,
                    width},
                   {}};
  if (!picture.mask) return read;
  const auto mask = maskOf(picture, whole);
  if (!mask) return api::fail(mask.error());
  read.mask = image::averageMask(
      *mask, cut, whole.width, whole.height, {width / latentFactor, height / latentFactor});
  return read;
}

}  // namespace likeness::data

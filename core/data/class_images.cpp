// Class pictures under their key: find what is there, make what is missing.
#include "core/data/class_images.h"

#include <algorithm>
#include <chrono>

#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/generate/generate.h"
#include "core/generate/generator.h"
#include "core/generate/picture_file.h"
#include "core/image/photo.h"
#include "core/workspace/class_images.h"

namespace likeness::data {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::int64_t kMaxBatch = 8;

api::GenerateRequest pictureOf(const api::ClassImagesRequest& request,
                               const nn::StableDiffusion& model) {
  return workspace::classPictureRequest(request, model.weightHash, model.resolution());
}

/// Completes one folder.
class Maker {
 public:
  Maker(const api::GenerateRequest& picture,
        const nn::StableDiffusion& model,
        at::ScalarType dtype,
        base::Reporter& reporter,
        const Dealt& dealt,
        ClassImageSet& set)
      : m_picture(picture),
        m_model(model),
        m_dtype(dtype),
        m_reporter(reporter),
        m_dealt(dealt),
        m_set(set) {}

  api::Result<void> operator()() {
    const auto missing = findPresent();
    if (missing.empty() || m_set.cancelled) return {};
    const auto& compute = m_picture.compute;
    const auto batch = generate::fittingBatch(
        m_model,
        std::min<std::int64_t>(kMaxBatch, static_cast<std::int64_t>(missing.size())),
        m_picture.width,
        m_picture.height,
        m_dtype,
        compute.memoryLimit > 0 ? compute.memoryLimit : base::availableMemoryMiB());
    if (!batch) return api::fail(batch.error());
    generate::warnIfTooLong(m_model, m_picture.prompt, m_reporter);
    return make(missing, *batch);
  }

 private:
  /// Reports the pictures that are good already; the indices of the others.
  std::vector<std::size_t> findPresent() {
    std::vector<std::size_t> missing;
    std::error_code ignored;
    for (auto i = static_cast<std::size_t>(m_dealt.rank); i < m_set.files.size();
         i += static_cast<std::size_t>(m_dealt.of)) {
      if (m_reporter.stop().stop_requested()) {
        m_set.cancelled = true;
        break;
      }
      const fs::path& file = m_set.files[i];
      const auto photo = fs::exists(file, ignored) ? image::readPhoto(file)
                                                   : api::fail(api::ErrorCode::FileNotFound);
      if (photo && photo->image.width == m_picture.width &&
          photo->image.height == m_picture.height) {
        report(i, photo->image);
      } else {
        missing.push_back(i);
      }
    }
    return missing;
  }

  api::Result<void> make(const std::vector<std::size_t>& missing, std::int64_t batch) {
    generate::Generator generator(m_model, batch, m_dtype);
    generate::Job job{m_picture.prompt,
                      m_picture.negativePrompt,
                      m_picture.sampling,
                      {},
                      m_picture.width,
                      m_picture.height,
                      {},
                      m_picture.promptSyntax};
    for (const std::size_t i : missing)
      job.seeds.push_back(m_picture.seed + static_cast<std::int64_t>(i));
    api::Result<void> written;
    std::stop_source stop;  // also ends the batches after a failed write
    const std::stop_callback passOn(m_reporter.stop(), [&] { stop.request_stop(); });
    const auto begin = Clock::now();
    generate::Callbacks callbacks;
    // A batch comes out at once at its end; the time that is left is known after its first step.
    callbacks.onStep = [&](std::int64_t step, std::int64_t steps) {
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      m_perPicture = seconds * static_cast<double>(steps) /
                     static_cast<double>(step * static_cast<std::int64_t>(missing.size()));
      m_secondsLeft = seconds * static_cast<double>(steps - step) / static_cast<double>(step);
      reportProgress();
    };
    callbacks.onBatch = [&](std::int64_t first, const at::Tensor& latents) {
      auto next = missing.begin() + first;
      const auto pictures = generator.decode(latents);
      m_set.made += static_cast<std::int64_t>(pictures.size());
      for (const auto& picture : pictures) {
        if (written) written = write(*next++, picture);
      }
      if (!written) stop.request_stop();
    };
    const auto latents = generator.latents(job, callbacks, stop.get_token());
    if (!written) return written;
    if (!latents) return api::fail(latents.error());
    m_set.cancelled = !latents->defined();
    return {};
  }

  api::Result<void> write(std::size_t index, const api::Image& picture) {
    api::GenerateRequest own = m_picture;
    own.seed += static_cast<std::int64_t>(index);
    if (auto written = generate::writePicture(m_set.files[index], picture, own); !written)
      return written;
    report(index, picture);
    return {};
  }

  void report(std::size_t index, const api::Image& picture) {
    const auto files = static_cast<std::int64_t>(m_set.files.size());
    const auto at = static_cast<std::int64_t>(index);
    ++m_done;
    m_reporter.picture({api::PictureKind::ClassImage,
                        picture,
                        m_set.files[index],
                        0,
                        m_dealt.before + at,
                        m_dealt.before + files + m_dealt.after,
                        m_picture.prompt,
                        m_picture.seed + at});
    reportProgress();
  }

  void reportProgress() {
    const auto own = [&](std::int64_t pictures) {
      return (pictures - m_dealt.rank + m_dealt.of - 1) / m_dealt.of;
    };
    const std::int64_t before = own(m_dealt.before),
                       files = own(static_cast<std::int64_t>(m_set.files.size())),
                       after = own(m_dealt.after);
    m_reporter.progress({api::Stage::ClassImages,
                         before + m_done,
                         before + files + after,
                         m_perPicture,
                         m_secondsLeft + m_perPicture * static_cast<double>(after)});
  }

  const api::GenerateRequest& m_picture;
  const nn::StableDiffusion& m_model;
  at::ScalarType m_dtype;
  base::Reporter& m_reporter;
  const Dealt m_dealt;
  ClassImageSet& m_set;
  std::int64_t m_done = 0;
  double m_perPicture = 0, m_secondsLeft = 0;
};

}  // namespace

std::string classImageKey(const api::ClassImagesRequest& request,
                          const nn::StableDiffusion& model,
                          at::ScalarType dtype) {
  return workspace::classImageKey(pictureOf(request, model), c10::toString(dtype));
}

api::Result<ClassImageSet> makeClassImages(const api::ClassImagesRequest& request,
                                           const nn::StableDiffusion& model,
                                           at::ScalarType dtype,
                                           base::Reporter& reporter,
                                           const Dealt& dealt) {
  reporter.stage(api::Stage::ClassImages);
  ClassImageSet set;
  set.folder = request.outFolder / classImageKey(request, model, dtype);
  for (std::size_t i = 0; i < static_cast<std::size_t>(request.prior.classImages); ++i) {
    set.files.push_back(set.folder / workspace::classImageFile(i));
  }
  if (auto made = base::makeFolder(set.folder); !made) return api::fail(made.error());
  // Those of a rank on another machine would look as if nobody wrote them.
  if (dealt.of == 1) base::removeLeftovers(set.folder);
  const api::GenerateRequest picture = pictureOf(request, model);
  if (auto made = Maker(picture, model, dtype, reporter, dealt, set)(); !made)
    return api::fail(made.error());
  return set;
}

}  // namespace likeness::data

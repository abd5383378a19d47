// From a request to pictures on disk.
#include "core/generate/generate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/diffusion/guidance.h"
#include "core/generate/generator.h"
#include "core/generate/initial_latents.h"
#include "core/generate/load_model.h"
#include "core/generate/picture_file.h"
#include "core/generate/start_picture.h"
#include "core/image/photo.h"
#include "core/nn/tiny_decoder.h"
#include "core/tensor/device.h"
#include "core/tensor/pixels.h"

namespace likeness::generate {
namespace {

using api::PictureKind;
using api::Stage;
using base::Clock;
using base::secondsSince;

constexpr std::int64_t kMaxBatch = 8;
constexpr std::int64_t kPreviewSide = 32;      // latents; a preview is a small picture
constexpr std::int64_t kTinyPreviewSide = 64;  // by a decoder that was made for it
constexpr int kPreviewPause = 9;               // previews take at most a tenth of the time

/// One run of the job: what its steps share.
class Run {
 public:
  /// `request` is complete: sizes and subject are set.
  Run(const api::GenerateRequest& request,
      const LoadedModel& loaded,
      const std::optional<StartFiles>& start,
      base::Reporter& reporter)
      : m_request(request), m_loaded(loaded), m_start(start), m_reporter(reporter) {}

  api::Result<base::JobResult> operator()(double loadSeconds) {
    const auto begin = Clock::now();
    auto made = makePictures();
    if (!made) return api::fail(made.error());
    if (*made && m_request.grid && m_pictures.size() > 1) {
      if (auto written = writeSheet(); !written) return api::fail(written.error());
    }
    const double seconds = secondsSince(begin);
    std::vector<std::string> files;
    for (const auto& file : m_files) files.push_back(file.string());
    const auto count = static_cast<double>(std::max<std::size_t>(1, m_pictures.size()));
    return base::JobResult{!*made,
                           m_files,
                           {{"load_s", loadSeconds},
                            {"generate_s", seconds},
                            {"per_image_s", seconds / count},
                            {"peak_rss_mib", base::peakRssMiB()},
                            {"prompt_tokens", m_longest},
                            {"prompt_limit", m_limit},
                            {"files", files}}};
  }

 private:
  /// False when it was stopped.
  api::Result<bool> makePictures() {
    const auto batch = batchOf(m_request.width, m_request.height);
    if (!batch) return api::fail(batch.error());
    Generator generator(m_loaded.model, *batch, m_loaded.dtype);
    std::optional<Generator> enlarging;
    if (isTwice()) {
      const auto larger = batchOf(enlarged(m_request.width), enlarged(m_request.height));
      if (!larger) return api::fail(larger.error());
      enlarging.emplace(m_loaded.model, *larger, m_loaded.dtype);
    }
    loadTiny();
    auto job = makeJob();
    if (!job) return api::fail(job.error());
    m_words = job->words;
    measure(*job);

    api::Result<void> written;
    // A failed write ends the sampling of the batches after it.
    std::stop_source stop;
    const std::stop_callback passOn(m_reporter.stop(), [&] { stop.request_stop(); });
    Callbacks callbacks;
    m_stepBegin = Clock::now();
    callbacks.onStep = [&](std::int64_t step, std::int64_t steps) {
      m_firstDone = step, m_steps = isTwice() ? 2 * steps : steps;
      reportStep();
    };
    callbacks.previewEvery = m_request.previewEvery;
    callbacks.onPreview = [&](std::int64_t step, std::int64_t first, const at::Tensor& x0) {
      showPreview(generator, step, first, x0);
    };
    callbacks.onBatch = [&](std::int64_t first, const at::Tensor& latents) {
      auto pictures = generator.decode(latents);
      if (enlarging) {
        auto second = secondPass(*enlarging, *job, first, pictures, stop.get_token());
        if (!second) written = api::fail(second.error());
        pictures = second.value_or(std::vector<api::Image>{});
      }
      for (const auto& picture : pictures) {
        if (written) written = keep(m_start ? m_start->pasted(picture) : picture);
      }
      if (!written) stop.request_stop();
    };
    const auto latents = generator.latents(*job, callbacks, stop.get_token());
    if (!written) return api::fail(written.error());
    if (!latents) return api::fail(latents.error());
    return latents->defined() &&
           static_cast<std::int64_t>(m_pictures.size()) == api::pictureCount(m_request);
  }

  api::Result<std::int64_t> batchOf(std::int64_t width, std::int64_t height) const {
    const std::int64_t limit = m_request.compute.memoryLimit;
    return fittingBatch(m_loaded.model,
                        std::min(api::pictureCount(m_request), kMaxBatch),
                        width,
                        height,
                        m_loaded.dtype,
                        limit > 0 ? limit : base::availableMemoryMiB());
  }

  // ---- second pass

  bool isTwice() const { return m_request.hiresScale > 1; }
  std::int64_t enlarged(std::int64_t side) const {
    return std::lround(static_cast<double>(side) * m_request.hiresScale / 8) * 8;
  }

  /// The pictures of a batch, enlarged and drawn over; fewer when it was stopped.
  api::Result<std::vector<api::Image>> secondPass(Generator& generator,
                                                  const Job& first,
                                                  std::int64_t begin,
                                                  const std::vector<api::Image>& pictures,
                                                  const std::stop_token& stop) {
    Job job = first;
    job.pass = 1;
    job.initialLatents = at::Tensor();
    job.width = enlarged(first.width), job.height = enlarged(first.height);
    const auto from = static_cast<std::ptrdiff_t>(begin),
               to = from + static_cast<std::ptrdiff_t>(pictures.size());
    job.seeds = {first.seeds.begin() + from, first.seeds.begin() + to};
    job.words = {first.words.begin() + from, first.words.begin() + to};
    if (m_start) job.start = m_start->at(job.width, job.height, 1);
    std::vector<at::Tensor> rows;
    for (const api::Image& picture : pictures)
      rows.push_back(
          tensor::toTensor(image::cropAndResize(m_start ? m_start->pasted(picture) : picture,
                                                {},
                                                static_cast<int>(job.width),
                                                static_cast<int>(job.height))));
    job.start.pixels = at::cat(rows);
    job.start.strength = m_request.hiresStrength;

    Callbacks callbacks;
    // Counts as many steps as the first pass of these pictures did.
    const std::int64_t before = m_secondDone, share = m_firstDone - before;
    callbacks.onStep = [&](std::int64_t step, std::int64_t steps) {
      m_secondDone = before + share * step / steps;
      reportStep();
    };
    std::vector<api::Image> made;
    callbacks.onBatch = [&](std::int64_t, const at::Tensor& latents) {
      for (auto& picture : generator.decode(latents)) made.push_back(std::move(picture));
    };
    const auto latents = generator.latents(job, callbacks, stop);
    if (!latents) return api::fail(latents.error());
    return made;
  }

  api::Result<Job> makeJob() const {
    const std::int64_t count = api::pictureCount(m_request);
    Job job;
    job.syntax = m_request.promptSyntax;
    job.sampling = m_request.sampling;
    job.width = m_request.width;
    job.height = m_request.height;
    for (std::int64_t i = 0; i < count; ++i) {
      const api::GenerateRequest picture = pictureRequest(m_request, i);
      job.seeds.push_back(picture.seed);
      job.words.push_back({picture.prompt, picture.negativePrompt});
    }
    if (m_start) job.start = m_start->at(job.width, job.height, m_request.strength);
    if (!m_request.initialLatents.empty()) {
      const std::int64_t factor = m_loaded.model.vae.model->config().factor();
      auto latents = readInitialLatents(m_request.initialLatents,
                                        {count,
                                         m_loaded.model.vae.model->config().latentChannels,
                                         m_request.height / factor,
                                         m_request.width / factor});
      if (!latents) return api::fail(latents.error());
      job.initialLatents = std::move(*latents);
    }
    return job;
  }

  /// Finds the longest prompt, and warns of those whose end is lost.
  void measure(const Job& job) {
    std::set<std::string> prompts, negatives;
    for (const Words& words : job.words) {
      prompts.insert(words.prompt);
      if (diffusion::isGuided(job.sampling.guidance)) negatives.insert(words.negativePrompt);
    }
    for (const std::string& prompt : prompts) {
      const auto tokens = nn::promptTokens(m_loaded.model, prompt, job.syntax);
      if (tokens.used >= m_longest) m_longest = tokens.used, m_limit = tokens.limit;
    }
    if (job.syntax != api::PromptSyntax::Plain) return;
    prompts.merge(negatives);
    for (const std::string& prompt : prompts) warnIfTooLong(m_loaded.model, prompt, m_reporter);
  }

  void reportStep() {
    const std::int64_t step = m_firstDone + m_secondDone, steps = m_steps;
    const double perStep = secondsSince(m_stepBegin) / static_cast<double>(step);
    m_reporter.progress(
        {Stage::Generate, step, steps, perStep, perStep * static_cast<double>(steps - step)});
  }

  /// A decoder for previews, when there is one. One that cannot be used is no reason to stop.
  void loadTiny() {
    const auto file = nn::findTinyDecoder(m_loaded.model.files);
    if (m_request.previewEvery == 0 || file.empty()) return;
    auto tiny = nn::loadTinyDecoder(file,
                                    m_loaded.model.vae.model->config().latentChannels,
                                    m_loaded.dtype,
                                    m_loaded.model.unet.store->device());
    if (tiny)
      m_tiny = std::move(*tiny);
    else
      m_reporter.warning(tiny.error());
  }

  std::vector<api::Image> decodeTiny(const at::Tensor& latents) const {
    const at::NoGradGuard noGradients;
    std::vector<api::Image> pictures;
    for (const at::Tensor& one : latents.to(m_loaded.dtype).split(1))
      pictures.push_back(tensor::toImage(m_tiny.model->decode(one)[0]));
    return pictures;
  }

  void showPreview(const Generator& generator,
                   std::int64_t step,
                   std::int64_t first,
                   const at::Tensor& x0) {
    const auto begin = Clock::now();
    if (begin < m_nextPreview) return;
    const std::int64_t longer = std::max(x0.size(2), x0.size(3)),
                       side = m_tiny.model ? kTinyPreviewSide : kPreviewSide;
    const at::Tensor small =
        longer <= side
            ? x0
            : at::adaptive_avg_pool2d(x0, {x0.size(2) * side / longer, x0.size(3) * side / longer});
    std::int64_t index = first;
    for (const auto& picture : m_tiny.model ? decodeTiny(small) : generator.decode(small)) {
      show(PictureKind::Preview, picture, {}, step, index);
      ++index;
    }
    m_nextPreview = Clock::now() + kPreviewPause * (Clock::now() - begin);
  }

  /// Writes (when there is a folder) and shows the next finished picture.
  api::Result<void> keep(const api::Image& picture) {
    const auto index = static_cast<std::int64_t>(m_pictures.size());
    std::filesystem::path file;
    if (!m_request.outFolder.empty()) {
      const api::GenerateRequest own = pictureRequest(m_request, index);
      file = freeName(m_request.outFolder, std::to_string(own.seed));
      if (auto written = writePicture(file, picture, own); !written) return written;
      m_files.push_back(file);
    }
    m_pictures.push_back(picture);
    show(PictureKind::Result, picture, file, 0, index);
    return {};
  }

  api::Result<void> writeSheet() {
    // Of several prompts each has its row.
    const bool rows = m_request.prompts.size() > 1 && m_request.count > 1;
    const api::Image sheet = contactSheet(m_pictures, rows ? static_cast<int>(m_request.count) : 0);
    std::filesystem::path file;
    if (!m_request.outFolder.empty()) {
      file = freeName(m_request.outFolder, std::to_string(m_request.seed) + "-sheet");
      if (auto written = writePicture(file, sheet, m_request); !written) return written;
      m_files.push_back(file);
    }
    show(PictureKind::Sheet, sheet, file, 0, 0);
    return {};
  }

  void show(PictureKind kind,
            const api::Image& picture,
            const std::filesystem::path& file,
            std::int64_t step,
            std::int64_t index) {
    m_reporter.picture({kind,
                        picture,
                        file,
                        step,
                        index,
                        kind == PictureKind::Sheet ? 1 : api::pictureCount(m_request),
                        m_words[static_cast<std::size_t>(index)].prompt,
                        m_request.seed + index});
  }

  const api::GenerateRequest& m_request;
  const LoadedModel& m_loaded;
  const std::optional<StartFiles>& m_start;
  base::Reporter& m_reporter;
  std::vector<Words> m_words;  ///< of each picture
  std::int64_t m_longest = 0, m_limit = 0;
  std::vector<api::Image> m_pictures;
  std::vector<std::filesystem::path> m_files;
  std::int64_t m_firstDone = 0, m_secondDone = 0, m_steps = 0;  ///< of the passes, and both
  nn::Network<nn::TinyDecoder> m_tiny;  ///< null = the autoencoder makes the previews
  Clock::time_point m_stepBegin, m_nextPreview;
};

/// Subject (a run's own where the request names none) and sizes filled in.
api::GenerateRequest completed(api::GenerateRequest request,
                               const LoadedModel& loaded,
                               const std::optional<StartFiles>& start) {
  if (request.subject.classWord.empty() && loaded.files.run)
    request.subject = loaded.files.run->subject;
  const std::int64_t side = loaded.model.resolution();
  const StartFiles::Size size = start ? start->sizeFor(side) : StartFiles::Size{side, side};
  if (request.width == 0) request.width = size.width, request.height = size.height;
  if (loaded.files.step) request.model.checkpoint = std::to_string(*loaded.files.step);
  return request;
}

}  // namespace

void warnIfTooLong(const nn::StableDiffusion& model,
                   const std::string& prompt,
                   base::Reporter& reporter) {
  const auto tokens = static_cast<std::int64_t>(model.tokenizer.encode(prompt).size());
  const std::int64_t limit = model.textEncoder.model->config().maxPositionEmbeddings - 2;
  if (tokens <= limit) return;
  reporter.warning(
      {api::ErrorCode::PromptTooLong,
       {{"prompt", prompt}, {"tokens", std::to_string(tokens)}, {"limit", std::to_string(limit)}},
       {}});
}

api::Result<base::JobResult> generate(const api::GenerateRequest& request,
                                      const std::filesystem::path& resources,
                                      base::Reporter& reporter) {
  const auto begin = Clock::now();
  reporter.stage(Stage::LoadModel);
  if (!request.outFolder.empty()) {
    if (auto made = base::makeFolder(request.outFolder); !made) return api::fail(made.error());
  }
  std::optional<StartFiles> start;
  if (!request.image.empty()) {
    auto read = readStart(request.image, request.mask);
    if (!read) return api::fail(read.error());
    start = std::move(*read);
  }
  const auto loaded = loadModel(request.model,
                                request.adapters,
                                request.embeddings,
                                request.compute,
                                resources,
                                reporter.stop());
  if (!loaded) return api::fail(loaded.error());
  if (loaded->stopped()) return base::JobResult{true, {}, {}};
  const api::GenerateRequest complete = completed(request, *loaded, start);
  const double loadSeconds = secondsSince(begin);
  reporter.stage(Stage::Generate);
  return Run(complete, *loaded, start, reporter)(loadSeconds);
}

}  // namespace likeness::generate

#include "core/engine/export_run.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <system_error>

#include "core/api/subjects.h"
#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/generate/generator.h"
#include "core/generate/load_model.h"
#include "core/nn/adapters.h"
#include "core/nn/embeddings.h"
#include "core/tensor/device.h"
#include "core/workspace/resolve_model.h"

namespace likeness::engine {

using namespace api;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kVerifySteps = 6;
constexpr std::int64_t kVerifySide =
    256;  // at most; enough to show a wrong weight, cheap for large models
/// Mean difference of 255 above which the written model is not the trained one. Rounding to bf16
/// stays far below, a lost or swapped tensor far above.
constexpr double kMeanDifferenceLimit = 12;

/// Nothing is ever overwritten: neither a file nor a folder that holds something.
Result<void> refuseExisting(const fs::path& out) {
  std::error_code error;
  const auto status = fs::status(out, error);
  if (!fs::exists(status)) return {};
  if (fs::is_directory(status) && fs::is_empty(out, error)) return {};
  return fail(base::alreadyThere(out));
}

/// "a photo of sks dog": what the run learned its photos by; of several subjects one after another.
std::string captionOf(const TrainRequest& run) {
  std::string caption;
  for (const FurtherSubject& one : subjectsOf(run))
    caption += (caption.empty() ? "" : ", ") + renderPrompt(one.subject.subjectPrompt, one.subject);
  return caption;
}

/// The same small picture of all subjects from any form of the model. Empty after a stop request.
Result<Image> render(const nn::StableDiffusion& model,
                     const TrainRequest& run,
                     std::stop_token stop) {
  generate::Job job;
  job.prompt = captionOf(run);
  job.sampling = {SamplerKind::Ddim, kVerifySteps, 5.0, false, 0};
  job.seeds = {1};
  job.width = job.height = std::min(model.resolution(), kVerifySide);
  generate::Generator generator(model, 1, at::kFloat);
  const auto latents = generator.latents(job, {}, stop);
  if (!latents) return fail(latents.error());
  if (!latents->defined()) return Image{};
  return generator.decode(*latents).front();
}

struct Difference {
  int max = 0;
  double mean = 0;
};
Difference compare(const Image& a, const Image& b) {
  Difference difference;
  const std::size_t size = a.bytes->size();
  for (std::size_t i = 0; i < size; ++i) {
    const int d = std::abs(int{(*a.bytes)[i]} - int{(*b.bytes)[i]});
    difference.max = std::max(difference.max, d);
    difference.mean += d;
  }
  difference.mean /= static_cast<double>(size);
  return difference;
}

/// Where the run's new words are written, named by them as other programs have it: in the model's
/// folder, beside the adapter, or where there is nothing else beside `out`, which is one of them.
std::vector<fs::path> wordPaths(const ExportRequest& request,
                                const workspace::ResolvedModel& resolved) {
  const bool diffusers = request.format == ExportFormat::Diffusers;
  std::vector<fs::path> paths;
  for (const auto& [word, file] : resolved.words) {
    std::string name = word;
    std::ranges::replace(name, '/', '_');
    const fs::path folder = diffusers ? request.out : request.out.parent_path();
    paths.push_back(folder / (name + ".safetensors"));
  }
  const bool alone = !diffusers && resolved.adapterFile.empty() && !paths.empty();
  if (alone && std::ranges::find(paths, request.out) == paths.end()) paths.front() = request.out;
  return paths;
}

Result<void> writeWord(const fs::path& out,
                       const workspace::ResolvedModel::Word& word,
                       const weights::StoredModel& base) {
  const auto tensors = tensor::loadSafetensors(word.file, at::kFloat);
  if (!tensors) return fail(tensors.error());
  const bool velocity = base.prediction.type == weights::PredictionType::VPrediction;
  const auto written = tensor::saveSafetensors(
      out,
      *tensors,
      {{"modelspec.sai_model_spec", "1.0.1"},
       {"modelspec.architecture",
        weights::modelSpecArchitecture(base.family, velocity) + "/textual-inversion"},
       {"modelspec.title", word.word}});
  if (!written) return fail(written.error());
  return {};
}

bool isLora(ExportFormat format) { return format != ExportFormat::Diffusers; }

Result<void> writeLora(const ExportRequest& request,
                       const workspace::ResolvedModel& resolved,
                       const weights::StoredModel& base) {
  auto tensors = tensor::loadSafetensors(resolved.adapterFile, at::kFloat);
  if (!tensors) return fail(tensors.error());
  std::string title;
  for (const auto& [subject, photos, classFolder] : subjectsOf(*resolved.run))
    title += (title.empty() ? "" : ", ") +
             (subject.name.empty() ? renderPrompt("{subject}", subject) : subject.name);
  nn::Lora lora = nn::loraOf(*tensors, nn::adapterScale(resolved.run->lora));
  lora.family = base.family;
  lora.configs = base.configs;
  const std::string side = std::to_string(base.resolution());
  lora.metadata = {
      {"modelspec.title", title},
      {"modelspec.trigger_phrase", subjectWords(*resolved.run)},
      {"modelspec.prediction_type", std::string(weights::modelSpecName(base.prediction.type))},
      {"modelspec.resolution", side + "x" + side},
      {"ss_training_comment", captionOf(*resolved.run)},
      {"ss_steps", std::to_string(resolved.step.value_or(0))},
  };
  const auto form =
      request.format == ExportFormat::KohyaLora ? nn::LoraForm::Kohya : nn::LoraForm::Peft;
  if (auto written = nn::saveLora(lora, form, request.out, tensor::scalarType(request.dtype));
      !written)
    return fail(written.error());
  return {};
}

Result<void> writeModel(const ExportRequest& request, const nn::StableDiffusion& model) {
  using enum weights::NetworkKind;
  std::map<weights::NetworkKind, tensor::StateDict> merged{
      {UNet, nn::mergedWeights(*model.unet.store)},
      {TextEncoder, nn::mergedWeights(*model.textEncoder.store)}};
  if (model.isXl()) merged.emplace(TextEncoder2, nn::mergedWeights(*model.textEncoder2.store));
  return nn::saveStableDiffusion(model, request.out, tensor::scalarType(request.dtype), merged);
}

Result<void> writeExport(const ExportRequest& request,
                         const workspace::ResolvedModel& resolved,
                         const nn::StableDiffusion& model) {
  Result<void> written;
  if (!isLora(request.format))
    written = writeModel(request, model);
  else if (!resolved.adapterFile.empty())
    written = writeLora(request, resolved, model.files);
  const std::vector<fs::path> words = wordPaths(request, resolved);
  for (std::size_t i = 0; written && i < words.size(); ++i)
    written = writeWord(words[i], resolved.words[i], model.files);
  return written;
}

/// fp32, so that the rounding of the file is all that can differ.
ComputeOptions exact(ComputeOptions compute) {
  compute.dtype = DType::Fp32;
  return compute;
}

/// The picture as a reader of the written form gets it.
Result<Image> renderWritten(const ExportRequest& request,
                            const workspace::ResolvedModel& resolved,
                            const fs::path& resources) {
  const TrainRequest& run = *resolved.run;
  const bool lora = isLora(request.format);
  const ModelRef base = lora ? run.base : ModelRef{request.out.string(), "latest", ""};
  std::vector<AdapterRef> adapters;
  if (lora && !resolved.adapterFile.empty()) adapters.push_back({request.out, 1});
  auto written = generate::loadModel(base, adapters, {}, exact(request.compute), resources);
  if (!written) return fail(written.error());
  const std::vector<fs::path> words = wordPaths(request, resolved);
  for (std::size_t i = 0; i < words.size(); ++i)
    if (auto added = nn::addWord(written->model, words[i], resolved.words[i].word); !added)
      return fail(added.error());
  return render(written->model, run, {});
}

std::int64_t bytesOf(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error))
    return static_cast<std::int64_t>(fs::file_size(path, error));
  std::int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, error))
    if (entry.is_regular_file(error)) bytes += static_cast<std::int64_t>(entry.file_size(error));
  return bytes;
}

}  // namespace

Result<base::JobResult> exportRun(const ExportRequest& request,
                                  const fs::path& resources,
                                  base::Reporter& reporter) {
  if (const auto free = refuseExisting(request.out); !free) return fail(free.error());
  const auto resolved =
      workspace::resolveModel({request.runFolder.string(), request.checkpoint, ""}, resources);
  if (!resolved) return fail(resolved.error());
  if (!resolved->run)
    return fail(ErrorCode::NoCheckpoint,
                {{"folder", request.runFolder.string()}},
                "it is a model, not a run");
  const std::vector<fs::path> words = wordPaths(request, *resolved);
  for (const fs::path& word : words)
    if (const auto free = refuseExisting(word); !free) return fail(free.error());
  if (isLora(request.format) && resolved->adapterFile.empty() &&
      resolved->run->training.method == Method::Full)
    return fail(ErrorCode::BadCombination,
                {{"reason",
                  "A run of the full method holds no LoRA, so it cannot be written as a LoRA file"},
                 {"fix",
                  "`likeness-cli extract " + resolved->run->base.path + " " +
                      request.runFolder.string() + " --rank 32 --form " +
                      std::string(enumName(request.format)) + " --out " + request.out.string() +
                      "` makes one of what it learned; the diffusers form holds all of it"}});
  const std::stop_token stop = reporter.stop();

  Image before;
  {
    reporter.stage(Stage::LoadModel);
    const ModelRef ref{request.runFolder.string(), request.checkpoint, ""};
    const auto run = generate::loadModel(ref, {}, {}, exact(request.compute), resources, stop);
    if (!run) return fail(run.error());
    if (run->stopped()) return base::JobResult{true, {}, {}};
    auto rendered = render(run->model, *resolved->run, stop);
    if (!rendered) return fail(rendered.error());
    if (rendered->empty()) return base::JobResult{true, {}, {}};
    before = std::move(*rendered);
    reporter.stage(Stage::Export);
    if (const auto written = writeExport(request, run->files, run->model); !written)
      return fail(written.error());
  }

  // The form is complete now; a stop request would only leave it unchecked, so the check is
  // finished.
  reporter.stage(Stage::Verify);
  const auto start = base::Clock::now();
  const auto after = renderWritten(request, *resolved, resources);
  Difference difference;
  if (after) difference = compare(before, *after);
  if (!after || difference.mean > kMeanDifferenceLimit) {
    // The target was free before, so what is there is ours; a wrong model must not be mistaken for
    // a good one.
    std::vector<fs::path> ours{request.out};
    ours.insert(ours.end(), words.begin(), words.end());
    for (const fs::path& path : ours)
      if (const auto removed = base::removeAll(path); !removed) return fail(removed.error());
    if (!after) return fail(after.error());
    return fail(ErrorCode::Internal,
                {},
                "the exported model renders another picture: mean difference " +
                    std::to_string(difference.mean) + " of 255");
  }
  reporter.picture({PictureKind::Result, *after, {}, 0, 0, 1, captionOf(*resolved->run), 1});
  std::vector<fs::path> artifacts{request.out};
  std::ranges::copy_if(words, std::back_inserter(artifacts), [&](const fs::path& word) {
    return word != request.out;
  });
  return base::JobResult{false,
                         std::move(artifacts),
                         {{"step", resolved->step.value_or(0)},
                          {"max_difference", std::int64_t{difference.max}},
                          {"mean_difference", difference.mean},
                          {"bytes", bytesOf(request.out)},
                          {"verify_s", base::secondsSince(start)},
                          {"peak_rss_mib", base::peakRssMiB()}}};
}

}  // namespace likeness::engine

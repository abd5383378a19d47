// Tensors from one form into the other; what is written is read again and compared.
#include "core/engine/convert_model.h"

#include <algorithm>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/nn/adapters.h"
#include "core/tensor/device.h"
#include "core/tensor/state_dict.h"
#include "core/text/clip_tokenizer.h"
#include "core/weights/write_model.h"
#include "core/workspace/resolve_model.h"

namespace likeness::engine {

using namespace api;
namespace fs = std::filesystem;
using base::Clock;
using base::secondsSince;

namespace {

constexpr const char* kNote = "conversion.txt";  // in OUT.partial: what is being converted

/// The tensor in the type it is to have; absent = as it is stored.
using DType = std::optional<at::ScalarType>;
Result<at::Tensor> converted(const weights::StoredTensor& tensor, DType dtype) {
  auto read = tensor::loadStored(tensor);
  if (!read || !dtype) return read;
  return read->to(*dtype);
}

std::span<const std::byte> bytesOf(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

weights::ModelParts partsToWrite(const weights::StoredModel& model, DType dtype) {
  weights::ModelParts parts = weights::partsOf(model);
  for (const auto& [kind, network] : model.networks)
    for (const auto& [key, tensor] : network.tensors)
      parts.networks[kind].push_back({key,
                                      dtype ? tensor::fileType(*dtype) : tensor.info.dtype,
                                      tensor.info.shape,
                                      [&tensor, dtype](const auto& sink) -> Result<void> {
                                        const auto made = converted(tensor, dtype);
                                        if (!made) return fail(made.error());
                                        return sink(bytesOf(*made));
                                      }});
  return parts;
}

/// What tells this conversion from another that was interrupted under the same name.
std::string note(const ConvertRequest& request, const weights::StoredModel& model) {
  std::string text = "A conversion that was not finished. The same command goes on with it.\n";
  text += std::string(enumName(request.form)) + " " +
          (request.dtype ? std::string(enumName(*request.dtype)) : "as-stored") + " " +
          std::to_string(request.shardMiB) + "\n";
  std::error_code error;
  for (const auto& [kind, network] : model.networks)
    for (const fs::path& file : network.files)
      text += fs::absolute(file, error).string() + " " +
              std::to_string(fs::file_size(file, error)) + " " +
              std::to_string(fs::last_write_time(file, error).time_since_epoch().count()) + "\n";
  return text;
}

/// OUT.partial, emptied when it holds something else. Errors: FileUnwritable when a file or folder
/// of another origin has that name.
Result<void> openPartial(const fs::path& partial, const std::string& text) {
  std::error_code error;
  if (fs::exists(partial, error)) {
    const auto begun = base::readFile(partial / kNote);
    if (!begun || !begun->starts_with("A conversion that was not finished"))
      return fail(base::alreadyThere(partial));
    if (*begun == text) return {};
    if (auto cleared = base::removeAll(partial); !cleared) return cleared;
  }
  if (auto made = base::makeFolder(partial); !made) return made;
  return base::writeFile(partial / kNote, std::string_view(text));
}

/// Every tensor of the source, as it was to be written. Returns what differs; empty = nothing.
Result<std::string> difference(const weights::StoredModel& source,
                               const weights::StoredModel& written,
                               DType dtype,
                               const std::function<void()>& next) {
  if (const auto problems = written.problems(); !problems.empty()) return problems.front();
  for (const auto& [kind, network] : source.networks) {
    const auto other = written.networks.find(kind);
    if (other == written.networks.end()) return "a network is missing";
    for (const auto& [key, tensor] : network.tensors) {
      next();
      const auto again = other->second.tensors.find(key);
      if (again == other->second.tensors.end()) return "missing " + key;
      const auto expected = converted(tensor, dtype), found = tensor::loadStored(again->second);
      if (!expected) return fail(expected.error());
      if (!found) return fail(found.error());
      if (!std::ranges::equal(bytesOf(*expected), bytesOf(*found)))
        return "another value in " + key;
    }
  }
  return {};
}

/// A single file has no place for a vocabulary: readers take CLIP's.
Result<void> checkWords(const weights::StoredModel& model, const fs::path& vocabulary) {
  const auto own = text::ClipTokenizer::load(model.tokenizer.folder, model.tokenizer.pad);
  if (!own) return fail(own.error());
  const auto clip = text::ClipTokenizer::load(vocabulary);
  if (!clip) return fail(clip.error());
  if (own->vocabularySize() == clip->vocabularySize()) return {};
  return fail(
      ErrorCode::BadCombination,
      {{"reason", "This model has a vocabulary of its own, which a single file has no place for"},
       {"fix", "Keep it as a diffusers folder"}});
}

/// An adapter in the other form, and what it does to the weights compared.
Result<base::JobResult> convertLora(const ConvertRequest& request, base::Reporter& reporter) {
  const auto lora = nn::readLora(request.model.path);
  if (!lora) return fail(lora.error());
  if (reporter.stop().stop_requested()) return base::JobResult{true, {}, {}};
  reporter.stage(Stage::Export);
  const auto start = Clock::now();
  if (request.out.has_parent_path())
    if (auto made = base::makeFolder(request.out.parent_path()); !made) return fail(made.error());
  const auto form = request.form == ModelForm::KohyaLora ? nn::LoraForm::Kohya : nn::LoraForm::Peft;
  const auto file =
      nn::saveLora(*lora,
                   form,
                   request.out,
                   request.dtype ? DType(tensor::scalarType(*request.dtype)) : DType());
  if (!file) return fail(file.error());
  const double convertSeconds = secondsSince(start);
  reporter.stage(Stage::Verify);
  const auto verifyStart = Clock::now();
  const auto written = nn::readLora(request.out);
  const double difference = written ? nn::loraDifference(*lora, *written) : 1;
  // Rounding of two factors to bf16 is under a hundredth; a wrong layer or alpha is far above.
  constexpr double limit = 0.02;
  if (!(difference < limit)) {
    if (auto removed = base::removeAll(request.out); !removed) return fail(removed.error());
    if (!written) return fail(written.error());
    return fail(ErrorCode::Internal,
                {},
                "the written adapter changes weights otherwise, by " + std::to_string(difference));
  }
  return base::JobResult{false,
                         {request.out},
                         {{"modules", static_cast<std::int64_t>(lora->modules.size())},
                          {"bytes", static_cast<std::int64_t>(file->bytes)},
                          {"difference", difference},
                          {"convert_s", convertSeconds},
                          {"verify_s", secondsSince(verifyStart)},
                          {"peak_rss_mib", tensor::peakRssMiB()}}};
}

}  // namespace

Result<base::JobResult> convertModel(const ConvertRequest& request,
                                     const fs::path& resources,
                                     base::Reporter& reporter) {
  std::error_code error;
  if (fs::exists(request.out, error)) return fail(base::alreadyThere(request.out));
  reporter.stage(Stage::LoadModel);
  if (request.form == ModelForm::KohyaLora || request.form == ModelForm::PeftLora)
    return convertLora(request, reporter);
  const auto resolved = workspace::resolveModel(request.model, resources);
  if (!resolved) return fail(resolved.error());
  if (!resolved->adapterFile.empty())
    return fail(ErrorCode::BadCombination,
                {{"reason", "A LoRA run is no whole model"},
                 {"fix", "Write it with `likeness-cli export`, which merges it into its base"}});
  const auto model = weights::openModel(resolved->files);
  if (!model) return fail(model.error());
  if (auto read = weights::requireNetworks(*model); !read) return fail(read.error());
  for (const auto& [kind, network] : model->networks)
    if (!network.problems.empty())
      return fail(weights::mismatch(network.place.string(), network.problems));
  if (request.form == ModelForm::SingleFile)
    if (auto words = checkWords(*model, resolved->files.vocabulary); !words)
      return fail(words.error());

  const fs::path partial = request.out.string() + ".partial";
  if (auto open = openPartial(partial, note(request, *model)); !open) return fail(open.error());
  const DType dtype = request.dtype ? DType(tensor::scalarType(*request.dtype)) : DType();
  const weights::ModelParts parts = partsToWrite(*model, dtype);
  reporter.stage(Stage::Export);
  const auto start = Clock::now();
  constexpr std::uint64_t mib = 1 << 20;
  std::optional<std::uint64_t> resumed;
  const auto next = [&](std::uint64_t done, std::uint64_t total) {
    if (!resumed) resumed = done;
    const double rate = static_cast<double>(done - *resumed) / std::max(1e-9, secondsSince(start));
    reporter.progress({Stage::Export,
                       static_cast<std::int64_t>(done / mib),
                       static_cast<std::int64_t>(total / mib),
                       rate > 0 ? static_cast<double>(mib) / rate : 0,
                       rate > 0 ? static_cast<double>(total - done) / rate : 0});
    return !reporter.stop().stop_requested();
  };
  const bool single = request.form == ModelForm::SingleFile;
  const fs::path building = partial / (single ? "model.safetensors" : "model");
  const auto whole =
      single ? weights::writeSingleFile(parts, building, next)
             : weights::writeModelFolder(
                   parts, building, static_cast<std::uint64_t>(request.shardMiB) * mib, next);
  if (!whole) return fail(whole.error());
  if (!*whole) return base::JobResult{true, {partial}, {}};
  const double convertSeconds = secondsSince(start);

  reporter.stage(Stage::Verify);
  const auto verifyStart = Clock::now();
  weights::ModelFiles files{building};
  files.vocabulary = resolved->files.vocabulary;
  const auto written = weights::openModel(files);
  if (!written) return fail(written.error());
  std::size_t checked = 0, count = 0;
  for (const auto& [kind, network] : model->networks) count += network.tensors.size();
  const auto different = difference(*model, *written, dtype, [&] {
    reporter.progress({Stage::Verify,
                       static_cast<std::int64_t>(++checked),
                       static_cast<std::int64_t>(count),
                       0,
                       0});
  });
  if (!different) return fail(different.error());
  if (!different->empty()) {
    // A part that an earlier attempt left damaged; the next one begins anew.
    if (auto removed = base::removeAll(partial); !removed) return fail(removed.error());
    return fail(ErrorCode::ModelMismatch,
                {{"file", request.out.string()},
                 {"tensors", *different + "; nothing was kept, please convert again"}});
  }
  const std::uint64_t bytes = [&] {
    std::uint64_t sum = 0;
    for (const auto& [kind, network] : written->networks)
      for (const auto& [key, tensor] : network.tensors) sum += tensor.info.end - tensor.info.begin;
    return sum;
  }();
  if (request.out.has_parent_path())
    if (auto made = base::makeFolder(request.out.parent_path()); !made) return fail(made.error());
  if (auto named = base::renameFolder(building, request.out); !named) return fail(named.error());
  if (auto removed = base::removeAll(partial); !removed) return fail(removed.error());
  std::int64_t parameters = 0;
  for (const auto& [kind, network] : model->networks) parameters += network.parameters();
  return base::JobResult{false,
                         {request.out},
                         {{"parameters", parameters},
                          {"bytes", static_cast<std::int64_t>(bytes)},
                          {"resumed_mib", static_cast<std::int64_t>(resumed.value_or(bytes) / mib)},
                          {"convert_s", convertSeconds},
                          {"verify_s", secondsSince(verifyStart)},
                          {"peak_rss_mib", tensor::peakRssMiB()}}};
}

}  // namespace likeness::engine

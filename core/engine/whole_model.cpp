#include "core/engine/whole_model.h"

#include <algorithm>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/machine.h"
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
using weights::NetworkKind;

namespace {

constexpr const char* kNote = "unfinished.txt";  // in OUT.partial: what is being made
constexpr std::string_view kUnfinished =
    "A model that was not finished. The same command goes on with it.\n";
constexpr std::uint64_t kMib = 1 << 20;

/// The tensor in the type it is to have; absent = as it is stored.
using DType = std::optional<at::ScalarType>;

std::span<const std::byte> bytesOf(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

weights::ModelParts partsToWrite(const weights::StoredModel& like,
                                 DType dtype,
                                 const MakeTensor& make) {
  weights::ModelParts parts = weights::partsOf(like);
  for (const auto& [kind, network] : like.networks)
    for (const auto& [key, tensor] : network.tensors)
      parts.networks[kind].push_back({key,
                                      dtype ? tensor::fileType(*dtype) : tensor.info.dtype,
                                      tensor.info.shape,
                                      [&make, kind, key](const auto& sink) -> Result<void> {
                                        const auto made = make(kind, key);
                                        if (!made) return fail(made.error());
                                        return sink(bytesOf(*made));
                                      }});
  return parts;
}

/// OUT.partial, emptied when it holds something else. Errors: FileUnwritable when a file or folder
/// of another origin has that name.
Result<void> openPartial(const fs::path& partial, const std::string& text) {
  std::error_code error;
  if (fs::exists(partial, error)) {
    const auto begun = base::readFile(partial / kNote);
    if (!begun || !begun->starts_with(kUnfinished)) return fail(base::alreadyThere(partial));
    if (*begun == text) return {};
    if (auto cleared = base::removeAll(partial); !cleared) return cleared;
  }
  if (auto made = base::makeFolder(partial); !made) return made;
  return base::writeFile(partial / kNote, std::string_view(text));
}

/// Every tensor that was to be written. Returns what differs; empty = nothing.
Result<std::string> difference(const weights::StoredModel& like,
                               const MakeTensor& make,
                               const weights::StoredModel& written,
                               const std::function<void()>& next) {
  if (const auto problems = written.problems(); !problems.empty()) return problems.front();
  for (const auto& [kind, network] : like.networks) {
    const auto other = written.networks.find(kind);
    if (other == written.networks.end()) return "a network is missing";
    for (const auto& [key, tensor] : network.tensors) {
      next();
      const auto again = other->second.tensors.find(key);
      if (again == other->second.tensors.end()) return "missing " + key;
      const auto expected = make(kind, key), found = tensor::loadStored(again->second);
      if (!expected) return fail(expected.error());
      if (!found) return fail(found.error());
      if (!std::ranges::equal(bytesOf(*expected), bytesOf(*found)))
        return "another value in " + key;
    }
  }
  return {};
}

/// A single file has no place for a vocabulary: readers take CLIP's.
Result<void> checkWords(const WholeModel& model) {
  const auto& tokenizer = model.stored.tokenizer;
  const auto own = text::ClipTokenizer::load(tokenizer.folder, tokenizer.pad);
  if (!own) return fail(own.error());
  const auto clip = text::ClipTokenizer::load(model.vocabulary);
  if (!clip) return fail(clip.error());
  if (own->vocabularySize() == clip->vocabularySize()) return {};
  return fail(
      ErrorCode::BadCombination,
      {{"reason", "This model has a vocabulary of its own, which a single file has no place for"},
       {"fix", "Keep it as a diffusers folder"}});
}

/// `unet conv_in.weight`
std::string place(NetworkKind kind, const std::string& key) {
  return std::string(weights::folderName(kind)) + " " + key;
}

}  // namespace

Result<WholeModel> openWhole(const ModelRef& ref, const fs::path& resources) {
  const auto resolved = workspace::resolveModel(ref, resources);
  if (!resolved) return fail(resolved.error());
  if (!resolved->adapterFile.empty())
    return fail(ErrorCode::BadCombination,
                {{"reason", "A LoRA run is no whole model"},
                 {"fix", "Write it with `likeness-cli export`, which merges it into its base"}});
  if (!resolved->words.empty())
    return fail(ErrorCode::BadCombination,
                {{"reason", "A run that learned a new word is a model and that word"},
                 {"fix", "Write it with `likeness-cli export`, which makes files of both"}});
  auto model = weights::openModel(resolved->files);
  if (!model) return fail(model.error());
  if (auto read = weights::requireNetworks(*model); !read) return fail(read.error());
  for (const auto& [kind, network] : model->networks)
    if (!network.problems.empty())
      return fail(weights::mismatch(network.place.string(), network.problems));
  return WholeModel{std::move(*model), resolved->files.vocabulary};
}

Result<void> requireSameTensors(const weights::StoredModel& a,
                                const weights::StoredModel& b,
                                std::span<const NetworkKind> networks) {
  const std::string first = a.path.string(), second = b.path.string(),
                    fix =
                        "Take models of one family and of the same shapes; `likeness-cli inspect` "
                        "says what each one is";
  if (a.family != b.family)
    return fail(ErrorCode::BadCombination,
                {{"reason",
                  first + " is a " + std::string(name(a.family)) + " model and " + second + " a " +
                      std::string(name(b.family)) + " model"},
                 {"fix", fix}});
  std::vector<std::string> different;
  for (const NetworkKind kind : networks) {
    static const weights::StoredNetwork none;
    const auto of = [&](const weights::StoredModel& model) -> const weights::StoredNetwork& {
      const auto found = model.networks.find(kind);
      return found == model.networks.end() ? none : found->second;
    };
    const auto &mine = of(a).tensors, &theirs = of(b).tensors;
    for (const auto& [key, tensor] : mine) {
      const auto other = theirs.find(key);
      if (other == theirs.end())
        different.push_back(place(kind, key) + ", which " + second + " has not");
      else if (other->second.info.shape != tensor.info.shape)
        different.push_back(place(kind, key) + " " + weights::text(tensor.info.shape) + " and " +
                            weights::text(other->second.info.shape));
    }
    for (const auto& [key, tensor] : theirs)
      if (!mine.contains(key))
        different.push_back(place(kind, key) + ", which " + first + " has not");
  }
  if (different.empty()) return {};
  constexpr std::size_t most = 3;
  std::string list, all;
  for (std::size_t i = 0; i < different.size(); ++i) {
    if (i < most) list += (i ? "; " : "") + different[i];
    all += different[i] + "\n";
  }
  if (different.size() > most) list += "; and " + std::to_string(different.size() - most) + " more";
  return fail(
      ErrorCode::BadCombination,
      {{"reason", first + " and " + second + " differ in their tensors: " + list}, {"fix", fix}},
      all);
}

std::string filesOf(const weights::StoredModel& model) {
  std::string text;
  std::error_code error;
  for (const auto& [kind, network] : model.networks)
    for (const fs::path& file : network.files)
      text += fs::absolute(file, error).string() + " " +
              std::to_string(fs::file_size(file, error)) + " " +
              std::to_string(fs::last_write_time(file, error).time_since_epoch().count()) + "\n";
  return text;
}

ByteProgress::ByteProgress(base::Reporter& reporter, Stage stage)
    : m_reporter(reporter), m_stage(stage), m_start(Clock::now()) {
  reporter.stage(stage);
}

double ByteProgress::seconds() const { return secondsSince(m_start); }

bool ByteProgress::operator()(std::uint64_t done, std::uint64_t total) {
  if (!m_begun) m_begun = done;
  const double rate = static_cast<double>(done - *m_begun) / std::max(1e-9, seconds());
  m_reporter.progress({m_stage,
                       static_cast<std::int64_t>(done / kMib),
                       static_cast<std::int64_t>(total / kMib),
                       rate > 0 ? static_cast<double>(kMib) / rate : 0,
                       rate > 0 ? static_cast<double>(total - done) / rate : 0});
  return !m_reporter.stop().stop_requested();
}

Result<base::JobResult> writeWhole(const WholeModel& like,
                                   const WholeOutput& output,
                                   const MakeTensor& makeTensor,
                                   base::Reporter& reporter) {
  const weights::StoredModel& model = like.stored;
  const bool single = output.form == ModelForm::SingleFile;
  if (single)
    if (auto words = checkWords(like); !words) return fail(words.error());
  const fs::path partial = output.out.string() + ".partial";
  const std::string note = std::string(kUnfinished) + std::string(enumName(output.form)) + " " +
                           (output.dtype ? std::string(enumName(*output.dtype)) : "as-stored") +
                           " " + std::to_string(output.shardMiB) + "\n" + output.note;
  if (auto open = openPartial(partial, note); !open) return fail(open.error());

  const DType dtype = output.dtype ? DType(tensor::scalarType(*output.dtype)) : DType();
  const MakeTensor make = [&](NetworkKind kind, const std::string& key) {
    auto made = makeTensor(kind, key);
    if (made)
      if (const DType type =
              dtype ? dtype
                    : tensor::tensorType(model.networks.at(kind).tensors.at(key).info.dtype))
        made = made->to(*type).contiguous();
    return made;
  };
  weights::ModelParts parts = partsToWrite(model, dtype, make);
  if (output.metadata) parts.metadata = *output.metadata;
  ByteProgress next(reporter, Stage::Export);
  const fs::path building = partial / (single ? "model.safetensors" : "model");
  const auto whole =
      single ? weights::writeSingleFile(parts, building, std::ref(next))
             : weights::writeModelFolder(parts,
                                         building,
                                         static_cast<std::uint64_t>(output.shardMiB) * kMib,
                                         std::ref(next));
  if (!whole) return fail(whole.error());
  if (!*whole) return base::JobResult{true, {partial}, {}};
  const double writeSeconds = next.seconds();

  reporter.stage(Stage::Verify);
  const auto verifyStart = Clock::now();
  weights::ModelFiles files{building};
  files.vocabulary = like.vocabulary;
  const auto written = weights::openModel(files);
  if (!written) return fail(written.error());
  std::size_t checked = 0, count = 0;
  for (const auto& [kind, network] : model.networks) count += network.tensors.size();
  const auto different = difference(model, make, *written, [&] {
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
                {{"file", output.out.string()},
                 {"tensors", *different + "; nothing was kept, please do it again"}});
  }
  std::uint64_t bytes = 0;
  std::int64_t parameters = 0;
  for (const auto& [kind, network] : written->networks)
    for (const auto& [key, tensor] : network.tensors) bytes += tensor.info.end - tensor.info.begin;
  for (const auto& [kind, network] : model.networks) parameters += network.parameters();
  if (output.out.has_parent_path())
    if (auto made = base::makeFolder(output.out.parent_path()); !made) return fail(made.error());
  if (auto named = base::renameFolder(building, output.out); !named) return fail(named.error());
  if (auto removed = base::removeAll(partial); !removed) return fail(removed.error());
  return base::JobResult{
      false,
      {output.out},
      {{"parameters", parameters},
       {"bytes", static_cast<std::int64_t>(bytes)},
       {"resumed_mib", static_cast<std::int64_t>(next.begun().value_or(bytes) / kMib)},
       {"write_s", writeSeconds},
       {"verify_s", secondsSince(verifyStart)},
       {"peak_rss_mib", base::peakRssMiB()}}};
}

}  // namespace likeness::engine

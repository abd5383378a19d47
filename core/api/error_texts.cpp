// Sentence, hint, name and exit code of every error: the one table that windows and command line
// read.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>

#include "core/api/result.h"

namespace likeness::api {
namespace {

constexpr int kInternal = 1, kUsage = 2, kInput = 3, kResources = 4;

struct Row {
  ErrorCode code;
  std::string_view name;
  int exit;  ///< of likeness-cli
  std::string_view message;
  std::string_view hint;
};

constexpr Row kRows[] = {
    {ErrorCode::Internal,
     "internal",
     kInternal,
     "Something went wrong inside Likeness.",
     "Please try again. If it happens again, report it together with the log file; your photos and "
     "finished "
     "checkpoints are safe."},
    {ErrorCode::BadUsage,
     "bad_usage",
     kUsage,
     "The command could not be understood: {reason}.",
     "Add --help to see how the command is written."},
    {ErrorCode::UnknownKey,
     "unknown_key",
     kUsage,
     "[In {file} there|There] is no option called \"{key}\".",
     "[Did you mean \"{nearest}\"?|`likeness-cli train --print-config` lists every option.]"},
    {ErrorCode::WrongType,
     "wrong_type",
     kUsage,
     "[In {file}, \"{key}\"|\"{key}\"] must be {expected}.",
     "[It is \"{value}\" now; please correct it.|Please correct the value.]"},
    {ErrorCode::OutOfRange,
     "out_of_range",
     kUsage,
     "[In {file}, \"{key}\"|{label} ({key})|\"{key}\"] is {value}, but it must be {range}.",
     "Choose a value that is {range}."},
    {ErrorCode::BadCombination,
     "bad_combination",
     kUsage,
     "[{reason}|Two options do not go together].",
     "[{fix}.|Change one of the options that it names.]"},
    {ErrorCode::MissingValue,
     "missing_value",
     kUsage,
     "[{label} ({key})|\"{key}\"][ in {file}] is missing.",
     "[{fix}.|Fill it in and try again.]"},
    {ErrorCode::FileNotFound,
     "file_not_found",
     kInput,
     "{file} does not exist.",
     "Check the name; perhaps it was moved, renamed or is on a disk that is not connected."},
    {ErrorCode::FileUnreadable,
     "file_unreadable",
     kInput,
     "{file} could not be read[: {reason}].",
     "[{fix}.|Check that the file opens elsewhere and that you are allowed to read it.]"},
    {ErrorCode::FileUnwritable,
     "file_unwritable",
     kResources,
     "{file} could not be written[: {reason}].",
     "[{fix}.|Choose a folder that you are allowed to write to, or change its permissions.]"},
    {ErrorCode::DiskFull,
     "disk_full",
     kResources,
     "The disk has no room left for {file}[: {needed:bytes} are needed and {free:bytes} are free|: "
     "{free:bytes} are free].",
     "Free some space or choose a folder on another disk; everything saved before is still there."},
    {ErrorCode::NotAnImage,
     "not_an_image",
     kInput,
     "{file} is not a picture[: {reason}].",
     "Use JPEG, PNG, WebP or HEIC files, and leave this one out."},
    {ErrorCode::DamagedImage,
     "damaged_image",
     kInput,
     "The picture {file} is damaged[: {reason}].",
     "Copy it again from the camera or phone, or leave it out."},
    {ErrorCode::ImageTooLarge,
     "image_too_large",
     kInput,
     "The picture {file} is too large[: {size}, and the limit is {limit}].",
     "Save a smaller copy of it, or leave it out."},
    {ErrorCode::UnsupportedImage,
     "unsupported_image",
     kInput,
     "The picture {file} cannot be opened here[: {reason}].",
     "Save it as JPEG or PNG and use that file."},
    {ErrorCode::NoPhotos,
     "no_photos",
     kInput,
     "There are no photos[ in {folder}] to learn from.",
     "[{fix}.|Add three to five photos of your subject, as JPEG, PNG, WebP or HEIC files; those "
     "marked as left out do not count.]"},
    {ErrorCode::BadModelFolder,
     "bad_model_folder",
     kInput,
     "{folder} is not a usable model folder[: {reason}].",
     "Choose a folder in the diffusers layout (it holds model_index.json, unet, text_encoder, vae "
     "and tokenizer), or "
     "`starter`."},
    {ErrorCode::BadModelFile,
     "bad_model_file",
     kInput,
     "The model file {file} cannot be used[: {reason}].",
     "Download or copy it again; the file may be incomplete."},
    {ErrorCode::ModelMismatch,
     "model_mismatch",
     kInput,
     "{file} does not hold what its configuration promises[: {tensors}].",
     "Download the model again, or check that weights and config.json belong together."},
    {ErrorCode::UnsupportedModel,
     "unsupported_model",
     kInput,
     "The model {file} is of a kind that Likeness cannot use yet[: {reason}].",
     "Use a Stable Diffusion 1.x or 2.x model in the diffusers layout."},
    {ErrorCode::UnsafeFile,
     "unsafe_file",
     kInput,
     "{file} is more than weights: it asks to run {function}. Nothing in it was run.",
     "Look for the model as a .safetensors file, and open this one in no other program unless you "
     "trust who made it."},
    {ErrorCode::BadAdapter,
     "bad_adapter",
     kInput,
     "The adapter {file} cannot be used[: {reason}].",
     "Choose a LoRA file that was made for this base model."},
    {ErrorCode::BadTokenizer,
     "bad_tokenizer",
     kInput,
     "The model's vocabulary in {file} cannot be used[: {reason}].",
     "Download the model's tokenizer folder again."},
    {ErrorCode::PromptTooLong,
     "prompt_too_long",
     kInput,
     "The prompt \"{prompt}\" has {tokens} tokens, but only {limit} fit.",
     "Shorten the prompt; the model would not see the rest of it."},
    {ErrorCode::TokenNotSingle,
     "token_not_single",
     kInput,
     "The identifier \"{token}\" is {pieces} tokens for this model instead of one.",
     "Choose a rare short identifier such as sks or ohwx; longer ones are learned less sharply."},
    {ErrorCode::BadProject,
     "bad_project",
     kInput,
     "{file} is not a usable project[: {reason}].",
     "Open the folder that ends in .likeness, or make a new project and drop the photos there."},
    {ErrorCode::ProjectInUse,
     "project_in_use",
     kInput,
     "{folder} is open in another program[ ({owner})].",
     "Close it there or let it finish first; two programs writing to one folder would spoil it."},
    {ErrorCode::NewerSchema,
     "newer_schema",
     kInput,
     "{file} was written by a newer version of Likeness[ (format {version})].",
     "Update Likeness to open it."},
    {ErrorCode::RunExists,
     "run_exists",
     kUsage,
     "{folder} already holds a run.",
     "Add --resume to continue it, or choose another folder."},
    {ErrorCode::RunIncompatible,
     "run_incompatible",
     kInput,
     "The run in {folder} cannot be continued, because \"{key}\" is different now.",
     "[{folder}/run.yaml holds what the run began with: set it back|Set it back to what the run "
     "began with], or start a new run."},
    {ErrorCode::DamagedCheckpoint,
     "damaged_checkpoint",
     kInput,
     "The checkpoint {folder} is damaged[: {reason}].",
     "Use an earlier checkpoint of the run; every run keeps at least two."},
    {ErrorCode::NoCheckpoint,
     "no_checkpoint",
     kInput,
     "{folder} holds no finished checkpoint[ {checkpoint}].",
     "Train it first, at least until its first checkpoint is saved, or choose another checkpoint."},
    {ErrorCode::SmallerBatches,
     "smaller_batches",
     kResources,
     "Memory ran out, so only {pictures} of the photos of a step go through the model at a time.",
     "The run is slower and learns the same. Close other programs, or choose a smaller batch next "
     "time."},
    {ErrorCode::NotEnoughMemory,
     "not_enough_memory",
     kResources,
     "[This needs {needed} MiB of memory, but only {available} MiB are available|The part of "
     "Likeness that computes was ended by the system, because memory ran out].",
     "[{fits}.|Choose a smaller resolution or batch, train an adapter (LoRA), or close other "
     "programs.]"},
    {ErrorCode::DeviceMissing,
     "device_missing",
     kResources,
     "[The processes that should train together did not find each other at {address}|A part of "
     "Likeness that computes stopped unexpectedly: it {lost}|The device \"{device}\" is not "
     "available on this computer|The device is not available on this computer].",
     "[The last good state is in {folder}; --resume continues there, on any number of "
     "devices|{fix}|`likeness-cli devices` lists the devices; `auto` takes the best one]."},
    {ErrorCode::NonFinite,
     "non_finite",
     kInternal,
     "[{what}|The training] stopped being a number[ at step {step}].",
     "[{fix}.|The last good state is in {folder}. Lower the learning rate and continue from there.|"
     "Lower the learning rate.]"},
    {ErrorCode::PhotoChanged,
     "photo_changed",
     kInput,
     "The photo {file} was changed or removed while it was in use.",
     "Put it back, or leave it out and start again."},
    {ErrorCode::EngineMissing,
     "engine_missing",
     kResources,
     "The part of Likeness that computes could not be loaded[: {reason}].",
     "Install Likeness again, or run packaging/setup.sh in the source folder."},
};

const Row& rowOf(ErrorCode code) {
  // The rows stand in the order of the enum; the tests check it.
  return kRows[static_cast<std::size_t>(code)];
}

std::string asBytes(std::string_view text) {
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc() || end != text.data() + text.size()) return std::string(text);
  constexpr std::array<const char*, 5> kUnits{"bytes", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, unit ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
  return buffer;
}

/// A part without brackets; nothing when an entry is missing.
std::optional<std::string> fillPart(std::string_view part, const Error& error) {
  std::string out;
  while (!part.empty()) {
    const auto open = part.find('{');
    const auto close = part.find('}', open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    out += part.substr(0, open);
    std::string_view entry = part.substr(open + 1, close - open - 1);
    const bool size = entry.ends_with(":bytes");
    if (size) entry.remove_suffix(6);
    const std::string_view value = error.value(entry);
    if (value.empty()) return std::nullopt;
    out += size ? asBytes(value) : std::string(value);
    part.remove_prefix(close + 1);
  }
  return out += part;
}

/// "a|b|c": the first alternative that can be filled.
std::string fillChoice(std::string_view choice, const Error& error) {
  for (;;) {
    const auto bar = choice.find('|');
    if (auto filled = fillPart(choice.substr(0, bar), error)) return *filled;
    if (bar == std::string_view::npos) return {};
    choice.remove_prefix(bar + 1);
  }
}

}  // namespace

std::string_view Error::value(std::string_view entry) const {
  for (const auto& [key, text] : context)
    if (key == entry) return text;
  return {};
}

std::string fillTemplate(std::string_view text, const Error& error) {
  std::string out;
  const auto plain = [&](std::string_view part) {
    // Outside brackets every entry counts as there: a caller's omission must not swallow the
    // sentence.
    while (!part.empty()) {
      const auto close = std::min(part.find('}'), part.size() - 1);
      const auto piece = part.substr(0, close + 1);
      if (auto filled = fillPart(piece, error))
        out += *filled;
      else
        out.append(piece.substr(0, piece.find('{'))).append("?");
      part.remove_prefix(close + 1);
    }
  };
  while (!text.empty()) {
    const auto open = text.find('[');
    const auto close = text.find(']', open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    plain(text.substr(0, open));
    out += fillChoice(text.substr(open + 1, close - open - 1), error);
    text.remove_prefix(close + 1);
  }
  plain(text);
  return out;
}

std::string_view name(ErrorCode code) { return rowOf(code).name; }
std::string message(const Error& error) { return fillTemplate(rowOf(error.code).message, error); }
std::string hint(const Error& error) { return fillTemplate(rowOf(error.code).hint, error); }
std::pair<std::string_view, std::string_view> templates(ErrorCode code) {
  return {rowOf(code).message, rowOf(code).hint};
}
const std::vector<ErrorCode>& allErrorCodes() {
  static const std::vector<ErrorCode> codes = [] {
    std::vector<ErrorCode> all;
    for (const Row& row : kRows) all.push_back(row.code);
    return all;
  }();
  return codes;
}
int exitCode(ErrorCode code) { return rowOf(code).exit; }

}  // namespace likeness::api

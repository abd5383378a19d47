// Errors as values: every expected failure crosses a boundary as an Error, never as an exception.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace likeness::api {

/// What went wrong, as a closed list: the window translates by code, the command line picks its
/// exit code by it (exitCode). Sentence and hint of each stand in error_texts.cpp.
enum class ErrorCode {
  Internal,           ///< a bug of ours; `detail` holds the inner text
  BadUsage,           ///< the command line: {reason}
  UnknownKey,         ///< {key} in {file}; {nearest} is the closest known one
  WrongType,          ///< {key} in {file} is {value}, must be {expected}
  OutOfRange,         ///< {key} ({label}) in {file} is {value}, must be {range}
  BadCombination,     ///< {key}, {reason}, {fix}: cross-field rule of validate()
  MissingValue,       ///< {key} ({label}) in {file} is required; {fix}
  FileNotFound,       ///< {file}
  FileUnreadable,     ///< {file}: {reason}; {fix}
  FileUnwritable,     ///< {file}: {reason}; {fix}
  DiskFull,           ///< {file}; {needed} bytes needed, {free} free
  NotAnImage,         ///< {file}: {reason}
  DamagedImage,       ///< {file}: {reason}
  ImageTooLarge,      ///< {file} is {size}, limit {limit}
  UnsupportedImage,   ///< {file}: {reason}
  NoPhotos,           ///< {folder}; {fix}
  BadModelFolder,     ///< {folder}: {reason}
  BadModelFile,       ///< {file}: {reason}; also hostile safetensors headers
  ModelMismatch,      ///< {file}: missing, extra or misshaped tensors, listed in {tensors}
  UnsupportedModel,   ///< {file}: {reason}
  UnsafeFile,         ///< {file}: a pickle that names {function}, which no file of weights needs
  BadAdapter,         ///< {file}: {reason}
  BadTokenizer,       ///< {file}: {reason}
  PromptTooLong,      ///< {prompt} has {tokens} tokens, {limit} fit
  TokenNotSingle,     ///< {token} is {pieces} tokens of this model
  BadProject,         ///< {file}: {reason}
  ProjectInUse,       ///< {folder} is open in another program ({owner})
  NewerSchema,        ///< {file} was written by a newer version ({version})
  RunExists,          ///< {folder} already holds a run
  RunIncompatible,    ///< {folder}: {key} differs from the run that is to be continued
  DamagedCheckpoint,  ///< {folder}: {reason}
  NoCheckpoint,       ///< {folder} has none, or not {checkpoint}
  SmallerBatches,     ///< warning: memory ran out; {pictures} go through the networks at a time now
  NotEnoughMemory,  ///< {needed} MiB needed, {available} MiB available; {fits} says what would fit
  DeviceMissing,    ///< {device}; of several: none at {address}, or one {lost}; {folder}; {fix}
  NonFinite,  ///< {what} became NaN or infinite at step {step}; last good state is {folder}; {fix}
  PhotoChanged,   ///< {file} was changed or removed during the run
  EngineMissing,  ///< the engine module could not be loaded: {reason}
};

/// A failure: code and context fill the sentence; `detail` is for the log and the "Details" button.
struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::vector<std::pair<std::string, std::string>> context;  ///< names as in ErrorCode's comments
  std::string detail;                                        ///< inner text, may be empty

  /// The value of a context entry, empty when absent.
  std::string_view value(std::string_view name) const;
  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorCode::FileNotFound, {{"file", path}});`
inline tl::unexpected<Error> fail(ErrorCode code,
                                  std::vector<std::pair<std::string, std::string>> context = {},
                                  std::string detail = {}) {
  return tl::unexpected<Error>(Error{code, std::move(context), std::move(detail)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

/// Stable snake_case name, as in JSON: "file_not_found".
std::string_view name(ErrorCode code);
/// One English sentence: what is wrong and where, with the context filled in.
std::string message(const Error& error);
/// One English sentence: what to do about it.
std::string hint(const Error& error);
/// The English templates themselves, for translation: {"The photo {file} ...", "Remove it ..."}.
/// `{file}` is a context entry, `{needed:bytes}` one shown as a size ("2.1 GiB"); `[a {x}|b {y}|c]`
/// takes the first part whose entries are all there, or nothing.
std::pair<std::string_view, std::string_view> templates(ErrorCode code);
/// A template, or its translation, with the context of `error` filled in.
std::string fillTemplate(std::string_view text, const Error& error);
/// Every code, in order; for the tests and the translation table.
const std::vector<ErrorCode>& allErrorCodes();
/// Exit codes of likeness-cli: 0 done, 1 internal, 2 usage, 3 input, 4 resources, 130 stopped.
int exitCode(ErrorCode code);

}  // namespace likeness::api

// run.yaml and inputs.json.
#include "core/train/run_folder.h"

#include <torch/version.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/recipe.h"
#include "likeness_version.h"

namespace likeness::train {
namespace fs = std::filesystem;
using nlohmann::ordered_json;
using workspace::kInputsFile;

namespace {

std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

ordered_json toJson(const std::vector<RunInputs::Picture>& pictures) {
  ordered_json list = ordered_json::array();
  for (const auto& p : pictures)
    list.push_back({{"file", p.file},
                    {"sha256", p.sha256},
                    {"prompt", p.prompt},
                    {"crop", p.crop},
                    {"repeats", p.repeats},
                    {"mask", p.mask},
                    {"subject", p.subject}});
  return list;
}

std::vector<RunInputs::Picture> fromJson(const ordered_json& list) {
  std::vector<RunInputs::Picture> pictures;
  for (const auto& p : list)
    pictures.push_back({p.at("file"),
                        p.at("sha256"),
                        p.at("prompt"),
                        p.at("crop"),
                        p.value("repeats", std::int64_t{1}),
                        p.value("mask", std::string()),
                        p.value("subject", std::size_t{0})});
  return pictures;
}

auto incompatible(const fs::path& runFolder, std::string key) {
  return api::fail(api::ErrorCode::RunIncompatible,
                   {{"folder", runFolder.string()}, {"key", std::move(key)}});
}

}  // namespace

RunInputs::Picture describe(const data::TrainingPicture& picture) {
  std::string crop;
  if (picture.crop)
    crop = shortest(picture.crop->x) + " " + shortest(picture.crop->y) + " " +
           shortest(picture.crop->width) + " " + shortest(picture.crop->height);
  std::string prompt;
  for (const std::string& line : picture.prompts) prompt += (prompt.empty() ? "" : "\n") + line;
  return {picture.file.string(),
          picture.contentHash,
          prompt,
          crop,
          picture.repeats,
          picture.mask ? picture.mask->contentHash : "",
          picture.subject};
}

api::Result<void> writeInputs(const fs::path& runFolder, const RunInputs& inputs) {
  const ordered_json json{{"version", kVersion},
                          {"libtorch", TORCH_VERSION},
                          {"device", inputs.device},
                          {"dtype", inputs.dtype},
                          {"threads", inputs.threads},
                          {"ranks", inputs.ranks},
                          {"photos", toJson(inputs.photos)},
                          {"classPictures", toJson(inputs.classPictures)}};
  return base::writeFile(runFolder / kInputsFile, json.dump(2) + "\n");
}

bool holdsRun(const fs::path& runFolder) {
  std::error_code ignored;
  return fs::exists(runFolder / workspace::kRunFile, ignored);
}

api::Result<RunInputs> readInputs(const fs::path& runFolder) {
  RunInputs inputs;
  const auto text = base::readFile(runFolder / kInputsFile);
  if (!text && text.error().code == api::ErrorCode::FileNotFound) return inputs;
  if (!text) return api::fail(text.error());
  try {
    const auto json = ordered_json::parse(*text);
    inputs.device = json.at("device");
    inputs.dtype = json.at("dtype");
    inputs.threads = json.at("threads");
    inputs.ranks = json.value("ranks", std::int64_t{1});
    inputs.photos = fromJson(json.at("photos"));
    inputs.classPictures = fromJson(json.at("classPictures"));
    return inputs;
  } catch (const nlohmann::json::exception& error) {
    return api::fail(
        api::ErrorCode::FileUnreadable,
        {{"file", (runFolder / kInputsFile).string()}, {"reason", "it is not as it was written"}},
        error.what());
  }
}

api::Result<void> checkContinuable(const api::TrainRequest& stored,
                                   const api::TrainRequest& recipe,
                                   const std::vector<data::TrainingPicture>& photos) {
  const fs::path& folder = recipe.runFolder;
  if (stored.base.hash != recipe.base.hash) return incompatible(folder, "base");
  if (std::string key = workspace::firstDifference(stored, recipe); !key.empty())
    return incompatible(folder, std::move(key));
  const auto inputs = readInputs(folder);
  if (!inputs) return api::fail(inputs.error());
  if (inputs->photos.empty()) return {};
  if (inputs->photos.size() != photos.size()) return incompatible(folder, "photos");
  for (std::size_t i = 0; i < photos.size(); ++i) {
    RunInputs::Picture now = describe(photos[i]), then = inputs->photos[i];
    if (now.sha256 != then.sha256)
      return api::fail(api::ErrorCode::PhotoChanged, {{"file", now.file}});
    if (now.subject != then.subject) return incompatible(folder, "photos");
    if (now.prompt != then.prompt) return incompatible(folder, "photos.caption");
    if (now.crop != then.crop) return incompatible(folder, "photos.crop");
    if (now.mask != then.mask)
      return photos[i].mask && !then.mask.empty()
                 ? api::fail(api::ErrorCode::PhotoChanged,
                             {{"file", photos[i].mask->file.string()}})
                 : incompatible(folder, "photos.mask");
    if (now.repeats != then.repeats) return incompatible(folder, "photos.repeats");
  }
  return {};
}

std::vector<std::string> inexactReasons(const RunInputs& stored, const RunInputs& now) {
  std::vector<std::string> reasons;
  if (stored.device.empty()) return reasons;
  const auto note = [&](const char* what, const std::string& before, const std::string& after) {
    if (before != after)
      reasons.push_back(std::string(what) + " was " + before + " and is " + after);
  };
  note("device", stored.device, now.device);
  note("dtype", stored.dtype, now.dtype);
  note("threads", std::to_string(stored.threads), std::to_string(now.threads));
  note("number of ranks", std::to_string(stored.ranks), std::to_string(now.ranks));
  std::size_t changed = 0;
  for (std::size_t i = 0; i < now.classPictures.size(); ++i)
    changed += i >= stored.classPictures.size() ||
               stored.classPictures[i].sha256 != now.classPictures[i].sha256;
  if (changed) reasons.push_back(std::to_string(changed) + " class pictures are others");
  return reasons;
}

}  // namespace likeness::train

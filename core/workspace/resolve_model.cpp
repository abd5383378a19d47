// Which files a model reference means.
#include "core/workspace/resolve_model.h"

#include <algorithm>
#include <charconv>

#include "core/api/subjects.h"
#include "core/workspace/advisor.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/run_folder.h"
#include "core/workspace/workspace.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::Result;

namespace {

constexpr int kMaxChain = 8;

bool present(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// Folders named by a step, ascending, valid or not.
std::vector<CheckpointInfo> stepFolders(const fs::path& runFolder) {
  std::vector<CheckpointInfo> found;
  std::error_code error;
  for (fs::directory_iterator entry(runFolder / kCheckpointsFolder, error), end;
       !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::int64_t step = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), step);
    if (bad == std::errc() && stop == name.data() + name.size() && step >= 0)
      found.push_back({step, entry->path()});
  }
  std::ranges::sort(found, {}, &CheckpointInfo::step);
  return found;
}

Result<CheckpointInfo> chooseCheckpoint(const fs::path& runFolder, const std::string& which) {
  const auto none = [&] {
    return fail(ErrorCode::NoCheckpoint,
                {{"folder", runFolder.string()}, {"checkpoint", which == "latest" ? "" : which}});
  };
  const auto all = stepFolders(runFolder);
  if (all.empty()) return none();
  const auto valid = listCheckpoints(runFolder);
  if (which == "latest" || which == "best") {
    // None valid: say what is wrong with the newest.
    if (valid.empty()) return fail(readManifest(all.back().folder).error());
    return which == "best" ? bestCheckpoint(valid).value_or(valid.back()) : valid.back();
  }
  std::int64_t step = -1;
  const auto [stop, bad] = std::from_chars(which.data(), which.data() + which.size(), step);
  if (bad != std::errc() || stop != which.data() + which.size()) return none();
  const auto found = std::ranges::find(all, step, &CheckpointInfo::step);
  if (found == all.end()) return none();
  if (const auto manifest = readManifest(found->folder); !manifest) return fail(manifest.error());
  return *found;
}

/// What a person chose in place of what the files say.
void choose(const api::ModelRef& ref, weights::ModelFiles& files) {
  if (!ref.vae.empty()) files.vae = ref.vae;
  for (const auto type : {weights::PredictionType::Epsilon,
                          weights::PredictionType::VPrediction,
                          weights::PredictionType::Sample})
    if (api::enumName(ref.prediction) == weights::name(type)) files.prediction = type;
}

Result<ResolvedModel> resolve(const api::ModelRef& ref, const fs::path& resources, int depth);

Result<ResolvedModel> resolveRun(const fs::path& runFolder,
                                 const api::ModelRef& ref,
                                 const fs::path& resources,
                                 int depth) {
  auto request = readRunRequest(runFolder);
  if (!request) return fail(request.error());
  const auto checkpoint = chooseCheckpoint(runFolder, ref.checkpoint);
  if (!checkpoint) return fail(checkpoint.error());
  if (depth >= kMaxChain)
    return fail(
        ErrorCode::BadModelFolder,
        {{"folder", runFolder.string()}, {"reason", "its base is a run of a run without end"}});
  auto model = resolve(request->base, resources, depth + 1);
  if (!model) return model;
  if (!model->adapterFile.empty() || !model->words.empty())
    return fail(
        ErrorCode::UnsupportedModel,
        {{"file", runFolder.string()},
         {"reason",
          "it was trained on top of a run that made an adapter or a new word, which has to be "
          "exported as a model first"}});
  const auto use = [&](std::string_view name, fs::path& file) {
    if (present(checkpoint->folder / name)) file = checkpoint->folder / name;
  };
  use(kUnetFile, model->files.unet);
  use(kTextEncoderFile, model->files.textEncoder);
  use(kTextEncoder2File, model->files.textEncoder2);
  use(kAdapterFile, model->adapterFile);
  const auto subjects = api::subjectsOf(*request);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    ResolvedModel::Word word{subjects[i].subject.token, {}};
    use(wordPart(i) + ".safetensors", word.file);
    if (!word.file.empty()) model->words.push_back(std::move(word));
  }
  choose(ref, model->files);
  model->step = checkpoint->step;
  model->run = std::move(*request);
  return model;
}

Result<ResolvedModel> resolve(const api::ModelRef& ref, const fs::path& resources, int depth) {
  const fs::path path = ref.path == "starter" ? resources / "starter" : fs::path(ref.path);
  const auto bad = [&](std::string reason) {
    return fail(ErrorCode::BadModelFolder,
                {{"folder", path.string()}, {"reason", std::move(reason)}});
  };
  if (!present(path)) return fail(ErrorCode::FileNotFound, {{"file", path.string()}});
  if (present(path / kRunFile)) return resolveRun(path, ref, resources, depth);
  std::error_code error;
  const bool isFile = fs::is_regular_file(path, error);
  if (isFile || present(path / "model_index.json")) {
    ResolvedModel model;
    model.files.path = path;
    model.files.vocabulary = resources / "clip";
    choose(ref, model.files);
    return model;
  }
  if (present(path / kProjectFile))
    return bad("it is a project; name one of the folders in its runs/");
  return bad("it holds neither model_index.json nor run.yaml");
}

}  // namespace

Result<ResolvedModel> resolveModel(const api::ModelRef& ref, const fs::path& resources) {
  return resolve(ref, resources, 0);
}

std::optional<CheckpointInfo> bestCheckpoint(const std::vector<CheckpointInfo>& checkpoints) {
  std::optional<CheckpointInfo> best;
  double lowest = 0;
  for (const CheckpointInfo& checkpoint : checkpoints) {
    const auto manifest = readManifest(checkpoint.folder);
    if (!manifest || !manifest->probeSubject) continue;
    const double own = balance(*manifest->probeSubject, manifest->probeClass);
    if (best && !(own <= lowest)) continue;
    best = checkpoint;
    lowest = own;
  }
  return best;
}

std::vector<CheckpointInfo> listCheckpoints(const fs::path& runFolder) {
  auto found = stepFolders(runFolder);
  std::erase_if(found,
                [](const CheckpointInfo& checkpoint) { return !readManifest(checkpoint.folder); });
  return found;
}

}  // namespace likeness::workspace

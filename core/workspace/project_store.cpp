// A project is a folder that can be copied; everything in it is found by its place.
#include "core/workspace/project_store.h"

#include <algorithm>
#include <charconv>

#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/photo_folder.h"
#include "core/workspace/resolve_model.h"
#include "core/workspace/run_folder.h"
#include "core/workspace/workspace.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::Project;
using api::Result;

namespace {

constexpr std::string_view kPhotosFolder = "photos";
constexpr std::string_view kRunsFolder = "runs";
constexpr std::string_view kLockFile = ".lock";
constexpr std::uint64_t kMaxPhotoBytes = 256u << 20;

class HeldLock : public api::ProjectLock {
 public:
  explicit HeldLock(base::FileLock lock) : m_lock(std::move(lock)) {}

 private:
  base::FileLock m_lock;
};

auto badProject(const fs::path& file, std::string reason) {
  return fail(ErrorCode::BadProject, {{"file", file.string()}, {"reason", std::move(reason)}});
}

/// The folder without a trailing slash, with a name that says what it is.
fs::path projectFolder(const fs::path& folder) {
  fs::path plain = folder.has_filename() ? folder : folder.parent_path();
  if (plain.extension() != ".likeness") plain += ".likeness";
  return plain;
}

/// Another stem than that of all others, so that what lies beside a photo belongs to it alone.
fs::path uniqueName(const fs::path& folder, const fs::path& name) {
  const auto present = entries(folder);
  fs::path candidate = folder / name;
  const auto taken = [&](const fs::path& entry) { return entry.stem() == candidate.stem(); };
  for (int i = 2; std::ranges::any_of(present, taken); ++i)
    candidate =
        folder / (name.stem().string() + "-" + std::to_string(i) + name.extension().string());
  return candidate;
}

std::optional<api::RunSummary> summarise(const fs::path& folder) {
  auto request = readRunRequest(folder);
  if (!request) return std::nullopt;
  api::RunSummary summary;
  summary.folder = folder;
  summary.name = folder.filename().string();
  summary.steps = api::plannedSteps(*request);
  summary.request = std::move(*request);
  const auto checkpoints = listCheckpoints(folder);
  for (const CheckpointInfo& checkpoint : checkpoints) {
    summary.checkpoints.push_back(checkpoint.step);
    if (const auto manifest = readManifest(checkpoint.folder))
      summary.finished = manifest->finished;
  }
  if (const auto best = bestCheckpoint(checkpoints)) summary.best = best->step;
  return summary;
}

}  // namespace

Result<Project> createProject(const fs::path& folder, const api::TrainRequest& recipe) {
  Project project{projectFolder(folder), recipe};
  std::error_code error;
  if (fs::exists(project.folder, error) && !fs::is_empty(project.folder, error))
    return badProject(project.folder, "there is something in that folder already");
  project.recipe.runFolder.clear();
  if (auto made = base::makeFolder(project.folder / kPhotosFolder); !made)
    return fail(made.error());
  if (auto saved = saveProject(project); !saved) return fail(saved.error());
  return project;
}

Result<Project> openProject(const fs::path& given) {
  const fs::path named = given.filename() == kProjectFile ? given.parent_path() : given;
  const fs::path folder = named.has_filename() ? named : named.parent_path();
  std::error_code error;
  if (!fs::exists(folder, error)) return fail(ErrorCode::FileNotFound, {{"file", folder.string()}});
  if (!fs::is_directory(folder, error)) return badProject(folder, "it is a file, not a folder");
  if (!fs::exists(folder / kProjectFile, error))
    return badProject(folder, "it holds no project.yaml");
  Project project{folder, {}};
  if (auto read = config::applyYamlFile(project.recipe, folder / kProjectFile); !read)
    return fail(read.error());
  project.recipe.runFolder.clear();
  project.recipe.resume = false;
  for (const fs::path& place : {folder, folder / kPhotosFolder, folder / kRunsFolder})
    base::removeLeftovers(place);
  return project;
}

Result<void> saveProject(const Project& project) {
  api::TrainRequest stored = portable(project.recipe, project.folder, project.folder);
  stored.runFolder.clear();
  stored.resume = false;
  return base::writeFile(project.folder / kProjectFile, config::toYaml(stored));
}

Result<std::unique_ptr<api::ProjectLock>> lockProject(const fs::path& folder) {
  auto lock = base::FileLock::acquire(folder / kLockFile);
  if (lock) return std::make_unique<HeldLock>(std::move(*lock));
  api::Error error = lock.error();
  // A person knows the project, not the lock file in it.
  for (auto& [key, value] : error.context)
    if (key == "file") value = folder.string();
  return fail(std::move(error));
}

Result<fs::path> importPhoto(const Project& project, const fs::path& file) {
  const fs::path photos = project.folder / kPhotosFolder;
  std::error_code error;
  if (fs::equivalent(file.parent_path(), photos, error)) return file;
  if (const auto size = fs::file_size(file, error); !error && size > kMaxPhotoBytes)
    return fail(ErrorCode::ImageTooLarge,
                {{"file", file.string()},
                 {"size", std::to_string(size >> 20) + " MiB"},
                 {"limit", std::to_string(kMaxPhotoBytes >> 20) + " MiB"}});
  if (auto made = base::makeFolder(photos); !made) return fail(made.error());
  const fs::path copy = uniqueName(photos, file.filename());
  const auto copyTo = [](const fs::path& from, const fs::path& to) -> Result<void> {
    const auto content = base::readFile(from, kMaxPhotoBytes);
    if (!content) return fail(content.error());
    return base::writeFile(to, *content);
  };
  if (auto copied = copyTo(file, copy); !copied) return fail(copied.error());
  const BesidePhoto beside = besidePhoto(file);
  for (const auto& [from, end] : {std::pair(beside.caption, beside.caption.extension().string()),
                                  std::pair(beside.mask, std::string("-masklabel.png"))}) {
    if (from.empty()) continue;
    fs::path to = copy;
    to.replace_extension();
    if (auto copied = copyTo(from, to += end); !copied) return fail(copied.error());
  }
  return copy;
}

std::vector<api::RunSummary> listRuns(const fs::path& project) {
  std::vector<api::RunSummary> runs;
  for (const fs::path& folder : entries(project / kRunsFolder))
    if (auto summary = summarise(folder)) runs.push_back(std::move(*summary));
  return runs;
}

Result<fs::path> nextRunFolder(const fs::path& project) {
  if (auto made = base::makeFolder(project / kRunsFolder); !made) return fail(made.error());
  int last = 0;
  for (const fs::path& folder : entries(project / kRunsFolder)) {
    const std::string name = folder.filename().string();
    int number = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && stop == name.data() + name.size()) last = std::max(last, number);
  }
  std::string name = std::to_string(last + 1);
  name.insert(0, name.size() < 4 ? 4 - name.size() : 0, '0');
  return project / kRunsFolder / name;
}

}  // namespace likeness::workspace

// Relative where it travels along, absolute where it does not.
#include "core/workspace/run_folder.h"

#include <cstdio>

#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/workspace.h"

namespace likeness::workspace {
namespace fs = std::filesystem;

namespace {

fs::path absolutePath(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

/// The project that a run lies in (PROJECT/runs/0001), else the run itself.
fs::path rootOf(const fs::path& runFolder) {
  const fs::path project = runFolder.parent_path().parent_path();
  std::error_code error;
  return fs::exists(project / kProjectFile, error) ? project : runFolder;
}

}  // namespace

api::TrainRequest portable(api::TrainRequest request,
                           const fs::path& folder,
                           const fs::path& root) {
  const fs::path from = absolutePath(folder), around = absolutePath(root);
  const auto adapt = [&](fs::path path) {
    if (path.empty()) return path;
    path = absolutePath(path);
    const fs::path inside = path.lexically_relative(around);
    return inside.empty() || *inside.begin() == ".." ? path : path.lexically_relative(from);
  };
  if (request.base.path != "starter") request.base.path = adapt(request.base.path).string();
  if (!request.base.vae.empty()) request.base.vae = adapt(request.base.vae);
  const auto adaptAll = [&](std::vector<api::Photo>& photos, fs::path& classFolder) {
    for (api::Photo& photo : photos) {
      photo.file = adapt(photo.file);
      photo.mask = adapt(photo.mask);
    }
    classFolder = adapt(classFolder);
  };
  adaptAll(request.photos, request.prior.folder);
  for (api::FurtherSubject& further : request.furtherSubjects)
    adaptAll(further.photos, further.classFolder);
  for (fs::path* path : {&request.runFolder, &request.classImageFolder, &request.cacheFolder})
    *path = adapt(*path);
  return request;
}

api::Result<void> writeRunRequest(const api::TrainRequest& request) {
  const fs::path folder = absolutePath(request.runFolder);
  api::TrainRequest stored = portable(request, folder, rootOf(folder));
  stored.runFolder.clear();
  stored.resume = false;
  return base::writeFile(folder / kRunFile, config::toYaml(stored));
}

api::Result<api::TrainRequest> readRunRequest(const fs::path& runFolder) {
  api::TrainRequest request;
  if (auto read = config::applyYamlFile(request, runFolder / kRunFile); !read)
    return api::fail(read.error());
  request.runFolder = runFolder;
  request.resume = false;
  return request;
}

fs::path sampleFile(std::int64_t step, std::int64_t prompt) {
  char name[48];
  std::snprintf(name,
                sizeof name,
                "%06lld-%02lld.png",
                static_cast<long long>(step),
                static_cast<long long>(prompt));
  return fs::path(kSamplesFolder) / name;
}

std::optional<std::pair<std::int64_t, std::size_t>> parseSampleName(const std::string& name) {
  long long step = -1, prompt = -1;
  if (std::sscanf(name.c_str(), "%lld-%lld.png", &step, &prompt) != 2 || step < 0 || prompt < 0 ||
      sampleFile(step, prompt).filename() != name)
    return {};
  return std::pair(std::int64_t{step}, static_cast<std::size_t>(prompt));
}

}  // namespace likeness::workspace

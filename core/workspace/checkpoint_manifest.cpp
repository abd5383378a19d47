// manifest.json, written and judged.
#include "core/workspace/checkpoint_manifest.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/base/hash.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using nlohmann::json;

namespace {

constexpr int kSchemaVersion = 1;

auto damaged(const fs::path& folder, std::string reason, std::string detail = {}) {
  return fail(ErrorCode::DamagedCheckpoint,
              {{"folder", folder.string()}, {"reason", std::move(reason)}},
              std::move(detail));
}

json optionalNumber(const std::optional<double>& value) { return value ? json(*value) : json(); }
std::optional<double> optionalNumber(const json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<double>();
}

}  // namespace

std::string wordPart(std::size_t subject) {
  return subject == 0 ? "embeddings" : "embeddings_" + std::to_string(subject + 1);
}

fs::path checkpointFolder(const fs::path& runFolder, std::int64_t step) {
  char name[24];
  std::snprintf(name, sizeof name, "%06lld", static_cast<long long>(step));
  return runFolder / kCheckpointsFolder / name;
}

std::string toJson(const CheckpointManifest& m) {
  json files = json::array();
  for (const CheckpointFile& file : m.files)
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  const nlohmann::ordered_json out{{"schemaVersion", kSchemaVersion},
                                   {"step", m.step},
                                   {"kind", api::enumName(m.kind)},
                                   {"alpha", m.alpha},
                                   {"finished", m.finished},
                                   {"probeSubject", optionalNumber(m.probeSubject)},
                                   {"probeClass", optionalNumber(m.probeClass)},
                                   {"created", m.created},
                                   {"files", files}};
  return out.dump(2) + "\n";
}

api::Result<CheckpointManifest> manifestFromJson(const std::string& text, const fs::path& folder) {
  try {
    const json in = json::parse(text);
    if (const int version = in.at("schemaVersion").get<int>(); version > kSchemaVersion)
      return fail(
          ErrorCode::NewerSchema,
          {{"file", (folder / kManifestFile).string()}, {"version", std::to_string(version)}});
    CheckpointManifest m;
    m.step = in.at("step").get<std::int64_t>();
    if (!api::parseEnum(in.at("kind").get<std::string>(), m.kind))
      return damaged(folder, "its kind is unknown");
    m.alpha = in.at("alpha").get<double>();
    m.finished = in.at("finished").get<bool>();
    m.probeSubject = optionalNumber(in.at("probeSubject"));
    m.probeClass = optionalNumber(in.at("probeClass"));
    m.created = in.at("created").get<std::string>();
    for (const json& entry : in.at("files")) {
      CheckpointFile file{entry.at("name").get<std::string>(),
                          entry.at("bytes").get<std::uint64_t>(),
                          entry.at("sha256").get<std::string>()};
      // A manifest from elsewhere must not point outside its folder.
      if (file.name.empty() || fs::path(file.name).filename() != fs::path(file.name) ||
          file.name.starts_with('.'))
        return damaged(folder, "its manifest names a file outside of it");
      m.files.push_back(std::move(file));
    }
    return m;
  } catch (const json::exception& error) {
    return damaged(folder, "its manifest cannot be read", error.what());
  }
}

api::Result<void> writeManifest(const fs::path& folder, const CheckpointManifest& manifest) {
  return base::writeFile(folder / kManifestFile, toJson(manifest));
}

api::Result<CheckpointManifest> readManifest(const fs::path& folder, bool hashes) {
  const auto text = base::readFile(folder / kManifestFile, 1 << 20);
  if (!text && text.error().code == ErrorCode::FileNotFound)
    return fail(ErrorCode::NoCheckpoint, {{"folder", folder.string()}});
  if (!text) return fail(text.error());
  auto manifest = manifestFromJson(*text, folder);
  if (!manifest) return manifest;
  for (const CheckpointFile& file : manifest->files) {
    std::error_code error;
    const auto size = fs::file_size(folder / file.name, error);
    if (error) return damaged(folder, file.name + " is missing");
    if (size != file.bytes)
      return damaged(folder,
                     file.name + " has " + std::to_string(size) + " bytes instead of " +
                         std::to_string(file.bytes));
    if (!hashes) continue;
    const auto hash = base::sha256File(folder / file.name);
    if (!hash) return fail(hash.error());
    if (*hash != file.sha256) return damaged(folder, file.name + " does not hold what was written");
  }
  return manifest;
}

}  // namespace likeness::workspace

// Hashes of files, remembered.
#include "core/weights/weight_hash.h"

#include "core/base/hash.h"
#include "core/base/user_cache.h"

namespace likeness::weights {
namespace fs = std::filesystem;

namespace {

std::string factOf(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  const auto time = fs::last_write_time(file, error).time_since_epoch().count();
  return "sha256 " + std::to_string(size) + " " + std::to_string(time) + " " +
         fs::weakly_canonical(file, error).string();
}

/// hashOf(file) -> Result of every file's hash, joined.
template <class HashOf>
api::Result<std::string> joined(const StoredModel& model, const HashOf& hashOf) {
  std::string hashes;
  fs::path last;
  for (const auto& [kind, network] : model.networks)
    for (const fs::path& file : network.files) {
      if (file == last) continue;
      last = file;
      const api::Result<std::string> hash = hashOf(file);
      if (!hash) return hash;
      hashes += *hash + "\n";
    }
  return base::sha256(hashes);
}

api::Result<std::string> known(const fs::path& file) {
  if (auto hash = base::recall(factOf(file)); hash && hash->size() == 64) return *hash;
  return api::fail(api::ErrorCode::FileNotFound, {{"file", file.string()}});
}

}  // namespace

api::Result<std::string> weightHash(const StoredModel& model) {
  return joined(model, [](const fs::path& file) {
    if (auto hash = known(file)) return hash;
    auto hash = base::sha256File(file);
    if (hash) base::remember(factOf(file), *hash);
    return hash;
  });
}

std::optional<std::string> knownWeightHash(const StoredModel& model) {
  const auto hash = joined(model, known);
  return hash ? std::optional(*hash) : std::nullopt;
}

}  // namespace likeness::weights

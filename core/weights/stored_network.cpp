// Matching names and shapes; files of a diffusers folder.
#include "core/weights/stored_network.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/weights/pickle_copy.h"

namespace likeness::weights {
namespace fs = std::filesystem;

namespace {

/// Equal, or the same matrix with and without the two ones of a 1x1 convolution.
bool sameMatrix(Shape a, Shape b) {
  for (Shape* shape : {&a, &b})
    if (shape->size() == 4 && (*shape)[2] == 1 && (*shape)[3] == 1) shape->resize(2);
  return a == b;
}

bool isReal(ScalarType type) {
  switch (type) {
    case ScalarType::F8E5M2:
    case ScalarType::F8E4M3:
    case ScalarType::F8E4M3FNUZ:
    case ScalarType::F8E5M2FNUZ:
    case ScalarType::F16:
    case ScalarType::BF16:
    case ScalarType::F32:
    case ScalarType::F64:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool isText(NetworkKind kind) {
  return kind == NetworkKind::TextEncoder || kind == NetworkKind::TextEncoder2;
}

std::string_view folderName(NetworkKind kind) {
  switch (kind) {
    case NetworkKind::TextEncoder:
      return "text_encoder";
    case NetworkKind::TextEncoder2:
      return "text_encoder_2";
    case NetworkKind::UNet:
      return "unet";
    case NetworkKind::Vae:
      break;
  }
  return "vae";
}

std::string_view fileStem(NetworkKind kind) {
  return isText(kind) ? "model" : "diffusion_pytorch_model";
}

api::Result<void> StoredTensor::read(std::span<std::byte> out) const {
  if (!transposed) return file->read(info, out);
  std::vector<std::byte> bytes(out.size());
  if (auto done = file->read(info, bytes); !done) return done;
  std::ranges::copy(weights::transposed(bytes, info.shape[1], info.shape[0], bits(info.dtype) / 8),
                    out.begin());
  return {};
}

std::int64_t StoredNetwork::parameters() const {
  std::int64_t count = 0;
  for (const auto& [key, tensor] : tensors) count += elementCount(tensor.info.shape);
  return count;
}

std::map<ScalarType, std::int64_t> StoredNetwork::parametersByType() const {
  std::map<ScalarType, std::int64_t> counts;
  for (const auto& [key, tensor] : tensors)
    counts[tensor.info.dtype] += elementCount(tensor.info.shape);
  return counts;
}

void TensorPool::add(std::shared_ptr<const SafetensorsFile> file,
                     const std::function<std::string(const std::string&)>& canonical) {
  for (const auto& [name, info] : file->tensors()) {
    const std::string key = canonical ? canonical(name) : name;
    if (key.empty()) continue;
    if (!m_entries.try_emplace(key, file, name, info).second) m_twice.insert(name);
  }
  m_metadata.insert(file->metadata().begin(), file->metadata().end());
}

Shape TensorPool::shape(const std::string& name) const {
  const auto found = m_entries.find(name);
  return found == m_entries.end() ? Shape{} : found->second.info.shape;
}

bool TensorPool::anyStartsWith(std::string_view prefix) const {
  const auto next = m_entries.lower_bound(std::string(prefix));
  return next != m_entries.end() && next->first.starts_with(prefix);
}

std::optional<StoredTensor> TensorPool::find(const std::string& name) const {
  const auto found = m_entries.find(name);
  if (found == m_entries.end()) return {};
  return StoredTensor{found->second.file, found->second.info};
}

StoredNetwork TensorPool::take(const KeyMap& map) {
  StoredNetwork network;
  for (const MappedTensor& m : map) {
    auto entry = m_entries.find(m.fileKey);
    bool transposed = m.transposed;
    Shape expected = m.fileShape;
    if (entry == m_entries.end() && transposed) {
      // Some writers store the projection as the linear layer that it is.
      entry = m_entries.find(m.fileKey + ".weight");
      transposed = false;
      expected = m.shape;
    }
    if (entry == m_entries.end()) {
      network.problems.push_back("missing " + m.fileKey);
      continue;
    }
    Entry& found = entry->second;
    found.taken = true;
    if (!sameMatrix(found.info.shape, expected)) {
      network.problems.push_back("misshaped " + found.name + " " + text(found.info.shape) +
                                 " instead of " + text(expected));
      continue;
    }
    if (!isReal(found.info.dtype)) {
      network.problems.push_back("unusable " + found.name + " of dtype " +
                                 std::string(weights::name(found.info.dtype)));
      continue;
    }
    StoredTensor tensor{found.file, found.info, transposed};
    tensor.info.shape = m.shape;
    if (m.third >= 0) {
      const std::uint64_t bytes = (found.info.end - found.info.begin) / 3;
      tensor.info.begin += static_cast<std::uint64_t>(m.third) * bytes;
      tensor.info.end = tensor.info.begin + bytes;
    }
    network.tensors.emplace(m.key, std::move(tensor));
  }
  // Parts of a joined tensor complain together.
  std::ranges::sort(network.problems);
  network.problems.erase(std::ranges::unique(network.problems).begin(), network.problems.end());
  return network;
}

std::vector<std::string> TensorPool::left() const {
  std::vector<std::string> names(m_twice.begin(), m_twice.end());
  for (const auto& [key, entry] : m_entries)
    if (!entry.taken) names.push_back(entry.name);
  return names;
}

namespace {

constexpr std::size_t maxShards = 1000;

struct WeightFiles {
  fs::path place;  ///< the file, or the index of shards
  std::vector<fs::path> files;
};

/// The files that an index of shards names, which must lie beside it.
api::Result<WeightFiles> shardsOf(const fs::path& index) {
  const auto bad = [&](const std::string& reason) {
    return api::fail(api::ErrorCode::BadModelFile, {{"file", index.string()}, {"reason", reason}});
  };
  const auto content = base::readFile(index, 64 << 20);
  if (!content) return api::fail(content.error());
  const auto json = nlohmann::json::parse(*content, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    return bad("it holds no weight_map");
  std::set<std::string> names;
  for (const auto& [key, value] : json["weight_map"].items()) {
    const std::string name = value.is_string() ? value.get<std::string>() : "";
    if (!(name.ends_with(".safetensors") || name.ends_with(".bin")) ||
        name.find_first_of("/\\") != std::string::npos || name.starts_with("."))
      return bad("it says that tensor \"" + key.substr(0, 200) +
                 "\" is in something else than a .safetensors or .bin file beside it");
    names.insert(name);
    if (names.size() > maxShards) return bad("it names more than 1000 files");
  }
  if (names.empty()) return bad("it names no file");
  WeightFiles found{index, {}};
  for (const std::string& name : names) found.files.push_back(index.parent_path() / name);
  return found;
}

/// The weights in `folder` under diffusers' names: plain, or the fp16 variant; whole, or in shards.
api::Result<WeightFiles> weightFiles(const fs::path& folder, const std::string& stem) {
  std::error_code ignored;
  // Pickle files last: they have to be copied first. transformers has a name of its own for them.
  for (const std::string& name : {stem + ".safetensors",
                                  stem + ".fp16.safetensors",
                                  stem + ".safetensors.index.json",
                                  stem + ".safetensors.index.fp16.json",
                                  stem + ".bin",
                                  stem + ".fp16.bin",
                                  stem + ".bin.index.json",
                                  std::string("pytorch_model.bin"),
                                  std::string("pytorch_model.fp16.bin"),
                                  std::string("pytorch_model.bin.index.json")})
    if (const fs::path file = folder / name; fs::exists(file, ignored))
      return file.extension() == ".json" ? shardsOf(file) : WeightFiles{file, {file}};
  return api::fail(api::ErrorCode::FileNotFound,
                   {{"file", (folder / (stem + ".safetensors")).string()}});
}

std::string replaced(std::string name, std::string_view from, std::string_view to) {
  if (const auto at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  return name;
}

/// Early diffusers named the autoencoder's attention otherwise; files of an autoencoder alone may
/// carry what it was trained with.
std::string autoencoderName(std::string name) {
  if (name.starts_with("loss.") || name.starts_with("model_ema.")) return {};
  if (name.find(".attentions.") == std::string::npos) return name;
  for (const auto& [before, after] : {std::pair(".query.", ".to_q."),
                                      std::pair(".key.", ".to_k."),
                                      std::pair(".value.", ".to_v."),
                                      std::pair(".proj_attn.", ".to_out.0.")})
    name = replaced(std::move(name), before, after);
  return name;
}

/// transformers 5.6 and later write CLIP's text encoder without its prefix; older files carry a
/// table of positions.
std::string prefixedTextName(const std::string& name) {
  if (name.ends_with("embeddings.position_ids")) return {};
  const bool bare = name.starts_with("embeddings.") || name.starts_with("encoder.") ||
                    name.starts_with("final_layer_norm.");
  return bare ? "text_model." + name : name;
}

api::Result<std::pair<TensorPool, WeightFiles>> openPool(const fs::path& fileOrFolder,
                                                         NetworkKind kind) {
  std::error_code ignored;
  api::Result<WeightFiles> files = WeightFiles{fileOrFolder, {fileOrFolder}};
  if (fs::is_directory(fileOrFolder, ignored) || !fileOrFolder.has_extension())
    files = weightFiles(fileOrFolder, std::string(fileStem(kind)));
  if (!files) return api::fail(files.error());
  TensorPool pool;
  for (const fs::path& path : files->files) {
    auto file = openWeights(path);
    if (!file) return api::fail(file.error());
    pool.add(std::make_shared<const SafetensorsFile>(std::move(*file)),
             [&](const std::string& name) {
               if (isText(kind)) return prefixedTextName(name);
               return kind == NetworkKind::Vae ? autoencoderName(name) : name;
             });
  }
  return std::pair(std::move(pool), std::move(*files));
}

StoredNetwork matched(TensorPool pool, const WeightFiles& files, const KeyMap& map) {
  StoredNetwork network = pool.take(map);
  network.place = files.place;
  network.files = files.files;
  for (const std::string& name : pool.left()) network.problems.push_back("unknown " + name);
  return network;
}

}  // namespace

api::Result<StoredNetwork> openNetwork(const fs::path& fileOrFolder,
                                       NetworkKind kind,
                                       const TensorShapes& expected) {
  auto opened = openPool(fileOrFolder, kind);
  if (!opened) return api::fail(opened.error());
  return matched(std::move(opened->first), opened->second, identityMap(expected));
}

api::Result<StoredNetwork> openAutoencoder(const fs::path& fileOrFolder,
                                           const AutoencoderKLConfig& config) {
  auto opened = openPool(fileOrFolder, NetworkKind::Vae);
  if (!opened) return api::fail(opened.error());
  const auto& [pool, files] = *opened;
  for (const char* prefix : {"", "first_stage_model.", "vae."})
    if (pool.has(std::string(prefix) + "encoder.norm_out.weight"))
      return matched(pool, files, singleFileMap(config, prefix));
  return matched(pool, files, identityMap(networkTensors(config)));
}

api::Error mismatch(const std::string& file, const std::vector<std::string>& problems) {
  constexpr std::size_t shown = 8;
  std::string sentence, all;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (i < shown) sentence += (i ? ", " : "") + problems[i];
    all += problems[i] + "\n";
  }
  if (problems.size() > shown)
    sentence += " and " + std::to_string(problems.size() - shown) + " more";
  return {api::ErrorCode::ModelMismatch, {{"file", file}, {"tensors", sentence}}, all};
}

}  // namespace likeness::weights

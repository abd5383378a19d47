#include "core/weights/embedding_file.h"

#include <algorithm>
#include <array>
#include <optional>

namespace likeness::weights {
namespace {

/// A prompt's places, and more than any text encoder's width.
constexpr std::int64_t kLongest = 75, kWidest = 4096;

/// [n, width], from a tensor's shape; absent when it is none of vectors.
std::optional<std::array<std::int64_t, 2>> vectorsOf(const TensorInfo& tensor) {
  const auto& shape = tensor.shape;
  if (shape.size() != 1 && shape.size() != 2) return std::nullopt;
  const std::int64_t count = shape.size() == 2 ? shape[0] : 1, width = shape.back();
  if (count < 1 || count > kLongest || width < 2 || width > kWidest) return std::nullopt;
  return std::array{count, width};
}

struct Names {
  std::string first, second;
};
std::optional<Names> namesIn(const SafetensorsFile& file) {
  const auto& tensors = file.tensors();
  if (tensors.size() == 2 && tensors.contains("clip_l") && tensors.contains("clip_g"))
    return Names{"clip_l", "clip_g"};
  if (tensors.size() != 1) return std::nullopt;
  const auto& [name, tensor] = *tensors.begin();
  const auto architecture = file.metadata().find("modelspec.architecture");
  const bool known = (architecture != file.metadata().end() &&
                      architecture->second.ends_with("/textual-inversion")) ||
                     name == "emb_params" || (name.starts_with("<") && name.ends_with(">")) ||
                     (!tensor.shape.empty() &&
                      std::ranges::count(std::array{768, 1024, 1280}, tensor.shape.back()) > 0);
  return known ? std::optional(Names{name, {}}) : std::nullopt;
}

}  // namespace

bool isEmbedding(const SafetensorsFile& file) {
  const auto names = namesIn(file);
  return names && std::ranges::all_of(file.tensors(), [](const auto& entry) {
           return vectorsOf(entry.second).has_value();
         });
}

api::Result<EmbeddingFile> openEmbedding(const std::filesystem::path& path) {
  auto file = openWeights(path);
  if (!file) return api::fail(file.error());
  const auto bad = [&](std::string reason) {
    return api::fail(api::ErrorCode::BadAdapter,
                     {{"file", path.string()}, {"reason", std::move(reason)}});
  };
  if (!isEmbedding(*file)) return bad("it holds no embedding (textual inversion)");
  const Names names = *namesIn(*file);
  EmbeddingFile embedding{std::move(*file), {path.stem().string()}, names.first, names.second};
  const auto first = *vectorsOf(embedding.file.tensors().at(names.first));
  embedding.count = first[0], embedding.width = first[1];
  if (!names.second.empty()) {
    const auto second = *vectorsOf(embedding.file.tensors().at(names.second));
    if (second[0] != embedding.count)
      return bad("its two text encoders have different numbers of vectors");
    embedding.secondWidth = second[1];
  } else if (names.first != "emb_params" && names.first != embedding.words.front()) {
    embedding.words.push_back(names.first);
  }
  return embedding;
}

}  // namespace likeness::weights

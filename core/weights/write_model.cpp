// Names of files and keys of the two forms.
#include "core/weights/write_model.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/base/file_system.h"

namespace likeness::weights {
namespace fs = std::filesystem;
using api::Result;

namespace {

using Json = nlohmann::ordered_json;

std::uint64_t byteSize(const std::vector<TensorSource>& tensors) {
  std::uint64_t bytes = 0;
  for (const TensorSource& tensor : tensors) bytes += byteSize(tensor);
  return bytes;
}

// ---- a folder

/// The class that reads it, of diffusers or transformers.
const char* className(NetworkKind kind) {
  switch (kind) {
    case NetworkKind::TextEncoder:
      return "CLIPTextModel";
    case NetworkKind::TextEncoder2:
      return "CLIPTextModelWithProjection";
    case NetworkKind::UNet:
      return "UNet2DConditionModel";
    case NetworkKind::Vae:
      break;
  }
  return "AutoencoderKL";
}

/// The word for the most frequent type, which transformers loads the weights in.
const char* torchName(const std::vector<TensorSource>& tensors) {
  std::map<ScalarType, std::uint64_t> bytes;
  for (const TensorSource& tensor : tensors) bytes[tensor.dtype] += byteSize(tensor);
  const auto most =
      std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; });
  if (most == bytes.end()) return "float32";
  return most->first == ScalarType::F16    ? "float16"
         : most->first == ScalarType::BF16 ? "bfloat16"
                                           : "float32";
}

Result<Json> readJson(const fs::path& file) {
  const auto content = base::readFile(file, 1 << 20);
  if (!content) return api::fail(content.error());
  auto json = Json::parse(*content, nullptr, false);
  if (!json.is_object())
    return api::fail(api::ErrorCode::BadModelFile,
                     {{"file", file.string()}, {"reason", "it is not a JSON object"}});
  return json;
}

Result<void> writeJson(const fs::path& file, const Json& json) {
  return base::writeFile(file, json.dump(2) + "\n");
}

Result<void> copyFile(const fs::path& from, const fs::path& to) {
  const auto content = base::readFile(from);
  if (!content) return api::fail(content.error());
  return base::writeFile(to, *content);
}

/// Regular files directly in `from`, as far as `wanted` says.
template <class Wanted>
Result<void> copyFiles(const fs::path& from, const fs::path& to, const Wanted& wanted) {
  if (auto made = base::makeFolder(to); !made) return made;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    if (!entry.is_regular_file(error) || !wanted(entry.path())) continue;
    if (auto copied = copyFile(entry.path(), to / entry.path().filename()); !copied) return copied;
  }
  return {};
}

/// A model carries its recipe, card and licence with it.
bool isDocument(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == "likeness.yaml" || file.extension() == ".md" || name.starts_with("LICENSE");
}

/// model_index.json without the parts that are not written (safety checker, image encoder).
Result<void> copyIndex(const ModelParts& model, const fs::path& out) {
  auto json = readJson(model.folder / "model_index.json");
  if (!json) return api::fail(json.error());
  for (auto& [key, value] : json->items()) {
    const bool written = key.starts_with("tokenizer") || key == "scheduler" ||
                         std::ranges::any_of(model.networks, [&, name = key](const auto& network) {
                           return name == folderName(network.first);
                         });
    if (value.is_array() && !written) value = {nullptr, nullptr};
  }
  if (json->contains("requires_safety_checker")) (*json)["requires_safety_checker"] = false;
  return writeJson(out / "model_index.json", *json);
}

Result<void> writeIndex(const ModelParts& model, const fs::path& out) {
  const bool xl = model.networks.contains(NetworkKind::TextEncoder2);
  const std::string inpaint = model.configs.unet.inChannels == 9 ? "Inpaint" : "";
  Json json{
      {"_class_name",
       xl ? "StableDiffusionXL" + inpaint + "Pipeline" : "StableDiffusion" + inpaint + "Pipeline"},
      {"_diffusers_version", "0.27.0"}};
  if (xl)
    json["force_zeros_for_empty_prompt"] = true;
  else
    json["requires_safety_checker"] = false;
  for (const char* absent : {"feature_extractor", "image_encoder"})
    json[absent] = {nullptr, nullptr};
  if (!xl) json["safety_checker"] = {nullptr, nullptr};
  json["scheduler"] = {"diffusers", "DDIMScheduler"};
  for (const auto& [kind, tensors] : model.networks)
    json[std::string(folderName(kind))] = {isText(kind) ? "transformers" : "diffusers",
                                           className(kind)};
  json["tokenizer"] = {"transformers", "CLIPTokenizer"};
  if (xl) json["tokenizer_2"] = {"transformers", "CLIPTokenizer"};
  return writeJson(out / "model_index.json", json);
}

/// CLIP's vocabulary; OpenCLIP's models of text fill up with the token of "!".
Result<void> writeTokenizer(const fs::path& vocabulary, const fs::path& out, bool openClip) {
  if (auto made = base::makeFolder(out); !made) return made;
  for (const char* name : {"vocab.json", "merges.txt"})
    if (auto copied = copyFile(vocabulary / name, out / name); !copied) return copied;
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    auto json = readJson(vocabulary / name);
    if (!json) return api::fail(json.error());
    if (openClip) (*json)["pad_token"] = "!";
    if (auto written = writeJson(out / name, *json); !written) return written;
  }
  return {};
}

/// Configs, tokenizers, documents: made from the values.
Result<void> makeDescription(const ModelParts& model, const fs::path& out) {
  const ModelConfigs& c = model.configs;
  const bool xl = model.networks.contains(NetworkKind::TextEncoder2);
  if (auto done = writeIndex(model, out); !done) return done;
  if (auto done = writeTokenizer(
          model.vocabulary, out / "tokenizer", model.family == Family::StableDiffusion2);
      !done)
    return done;
  if (xl)
    if (auto done = writeTokenizer(model.vocabulary, out / "tokenizer_2", true); !done) return done;
  if (auto made = base::makeFolder(out / "scheduler"); !made) return made;
  if (auto done = base::writeFile(out / "scheduler" / "scheduler_config.json", toJson(c.schedule));
      !done)
    return done;
  for (const auto& [kind, tensors] : model.networks) {
    const std::string text = kind == NetworkKind::UNet          ? toJson(c.unet)
                             : kind == NetworkKind::Vae         ? toJson(c.vae)
                             : kind == NetworkKind::TextEncoder ? toJson(c.text)
                                                                : toJson(c.text2.value());
    const fs::path folder = out / folderName(kind);
    if (auto made = base::makeFolder(folder); !made) return made;
    if (auto done = base::writeFile(folder / "config.json", text); !done) return done;
  }
  return {};
}

/// Configs, tokenizers, documents: the folder's own.
Result<void> copyDescription(const ModelParts& model, const fs::path& out) {
  const auto any = [](const fs::path&) { return true; };
  const auto isConfig = [](const fs::path& file) { return file.extension() == ".json"; };
  if (auto done = copyFiles(model.folder, out, isDocument); !done) return done;
  if (auto done = copyIndex(model, out); !done) return done;
  if (auto done = copyFiles(model.folder / "scheduler", out / "scheduler", isConfig); !done)
    return done;
  for (const char* name : {"tokenizer", "tokenizer_2"})
    if (std::error_code error; fs::is_directory(model.folder / name, error))
      if (auto done = copyFiles(model.folder / name, out / name, any); !done) return done;
  for (const auto& [kind, tensors] : model.networks) {
    const fs::path name = folderName(kind);
    if (auto made = base::makeFolder(out / name); !made) return made;
    if (auto done = copyFile(model.folder / name / "config.json", out / name / "config.json");
        !done)
      return done;
  }
  return {};
}

/// transformers loads in the type that the config names, so it must name the one in the file.
Result<void> nameDType(const fs::path& config, const char* dtype) {
  auto json = readJson(config);
  if (!json) return api::fail(json.error());
  for (const char* key : {"dtype", "torch_dtype"})
    if (json->contains(key)) (*json)[key] = dtype;
  return writeJson(config, *json);
}

/// Tensors in groups of at most `limit` bytes, in order.
std::vector<std::vector<TensorSource>> inShards(std::vector<TensorSource> tensors,
                                                std::uint64_t limit) {
  std::vector<std::vector<TensorSource>> shards(1);
  std::uint64_t bytes = 0;
  for (TensorSource& tensor : tensors) {
    const std::uint64_t size = byteSize(tensor);
    if (limit > 0 && bytes > 0 && bytes + size > limit) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += size;
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

std::string shardName(const std::string& stem, std::size_t index, std::size_t count) {
  char text[32];
  std::snprintf(text, sizeof text, "-%05zu-of-%05zu", index + 1, count);
  return stem + text + ".safetensors";
}

/// The weights of one network; `done` grows by what was written.
Result<bool> writeNetwork(const fs::path& folder,
                          const std::string& stem,
                          const std::vector<TensorSource>& tensors,
                          std::uint64_t limit,
                          const std::function<bool(std::uint64_t)>& next) {
  auto shards = inShards(tensors, limit);
  const std::size_t count = shards.size();
  Json map = Json::object();
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = count == 1 ? stem + ".safetensors" : shardName(stem, i, count);
    for (const TensorSource& tensor : shards[i]) map[tensor.name] = name;
    const std::uint64_t bytes = byteSize(shards[i]);
    const auto whole = continueSafetensors(
        folder / name, std::move(shards[i]), {{"format", "pt"}}, [&](std::uint64_t done, auto) {
          return next(before + done);
        });
    if (!whole || !*whole) return whole;
    before += bytes;
  }
  if (count == 1) return true;
  const Json index{{"metadata", {{"total_size", byteSize(tensors)}}}, {"weight_map", map}};
  if (auto done = writeJson(folder / (stem + ".safetensors.index.json"), index); !done)
    return api::fail(done.error());
  return true;
}

// ---- a single file

/// OpenCLIP's last layer and projection, of which Stable Diffusion 2 makes no use and its folders
/// hold nothing: the layer before stands in.
void addUnheardLayer(std::vector<TensorSource>& tensors, const ClipTextConfig& text) {
  const std::string root = "cond_stage_model.model.",
                    last = root + "transformer.resblocks." +
                           std::to_string(text.numHiddenLayers - 1) + ".",
                    unheard = root + "transformer.resblocks." +
                              std::to_string(text.numHiddenLayers) + ".";
  std::vector<TensorSource> copies;
  for (const TensorSource& tensor : tensors)
    if (tensor.name.starts_with(last)) {
      copies.push_back(tensor);
      copies.back().name = unheard + tensor.name.substr(last.size());
    }
  const std::int64_t width = text.hiddenSize;
  copies.push_back({root + "text_projection",
                    ScalarType::F32,
                    {width, width},
                    [width](const auto& sink) -> Result<void> {
                      std::vector<float> row(static_cast<std::size_t>(width));
                      for (float& one : row) {
                        one = 1;
                        if (auto done = sink(std::as_bytes(std::span(row))); !done) return done;
                        one = 0;
                      }
                      return {};
                    }});
  std::ranges::move(copies, std::back_inserter(tensors));
}

std::map<std::string, std::string> modelSpec(const ModelParts& model) {
  std::map<std::string, std::string> metadata = model.metadata;
  metadata["format"] = "pt";
  const auto add = [&](const std::string& key, const std::string& value) {
    metadata.emplace("modelspec." + key, value);
  };
  const bool velocity = model.configs.schedule.predictionType == PredictionType::VPrediction;
  const std::string side =
      std::to_string(model.configs.unet.sampleSize * model.configs.vae.factor());
  const std::string architecture = modelSpecArchitecture(model.family, velocity);
  add("sai_model_spec", "1.0.1");
  add("architecture", architecture);
  add("implementation",
      model.family == Family::StableDiffusionXl
          ? "https://github.com/Stability-AI/generative-models"
          : "https://github.com/CompVis/stable-diffusion");
  add("title", model.folder.empty() ? architecture : model.folder.filename().string());
  add("resolution", side + "x" + side);
  add("prediction_type", std::string(modelSpecName(model.configs.schedule.predictionType)));
  return metadata;
}

}  // namespace

ModelParts partsOf(const StoredModel& model) {
  ModelParts parts{model.family, model.configs, {}, {}, {}, {}};
  if (model.isFolder)
    parts.folder = model.path;
  else
    parts.vocabulary = model.tokenizer.folder;
  for (const auto& [key, value] : model.metadata)
    if (key.starts_with("modelspec.") || key.starts_with("ss_")) parts.metadata.emplace(key, value);
  return parts;
}

Result<bool> writeModelFolder(const ModelParts& model,
                              const fs::path& out,
                              std::uint64_t shardBytes,
                              const WriteProgress& next) {
  if (auto made = base::makeFolder(out); !made) return api::fail(made.error());
  auto described = model.folder.empty() ? makeDescription(model, out) : copyDescription(model, out);
  if (!described) return api::fail(described.error());
  std::uint64_t total = 0, before = 0;
  for (const auto& [kind, tensors] : model.networks) total += byteSize(tensors);
  for (const auto& [kind, tensors] : model.networks) {
    const fs::path folder = out / folderName(kind);
    if (isText(kind))
      if (auto named = nameDType(folder / "config.json", torchName(tensors)); !named)
        return api::fail(named.error());
    const auto whole = writeNetwork(
        folder, std::string(fileStem(kind)), tensors, shardBytes, [&](std::uint64_t done) {
          return next(std::min(before + done, total), total);
        });
    if (!whole || !*whole) return whole;
    before += byteSize(tensors);
  }
  return true;
}

Result<bool> writeSingleFile(const ModelParts& model,
                             const fs::path& file,
                             const WriteProgress& next) {
  std::vector<TensorSource> all;
  for (const auto& [kind, map] : singleFileMaps(model.family, model.configs))
    if (const auto network = model.networks.find(kind); network != model.networks.end())
      std::ranges::move(toFileLayout(map, network->second), std::back_inserter(all));
  if (model.family == Family::StableDiffusion2) addUnheardLayer(all, model.configs.text);
  return continueSafetensors(file, std::move(all), modelSpec(model), next);
}

}  // namespace likeness::weights

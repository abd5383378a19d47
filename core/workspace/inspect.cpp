// Families by configuration and tensor names, sizes by sums over headers.
#include "core/workspace/inspect.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/base/file_system.h"
#include "core/weights/safetensors.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/resolve_model.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::ModelReport;
using api::Result;
using nlohmann::json;
using weights::SafetensorsFile;

namespace {

/// A weight file of a diffusers folder with the configuration beside it.
struct Part {
  std::string name;    ///< words for the report
  std::string folder;  ///< and key of the report's problems
  std::string file;
};
const std::vector<Part>& parts() {
  static const std::vector<Part> all{{"UNet", "unet", "diffusion_pytorch_model.safetensors"},
                                     {"Text encoder", "text_encoder", "model.safetensors"},
                                     {"Autoencoder", "vae", "diffusion_pytorch_model.safetensors"}};
  return all;
}

struct Totals {
  std::int64_t parameters = 0;
  std::map<std::string, std::int64_t> byType;

  std::string dtype() const {
    const auto most =
        std::ranges::max_element(byType, {}, [](const auto& entry) { return entry.second; });
    return most == byType.end() ? "" : most->first;
  }
};
void count(const SafetensorsFile& file, Totals& totals) {
  for (const auto& [name, tensor] : file.tensors()) {
    std::int64_t elements = 1;
    for (const std::int64_t side : tensor.shape) elements *= side;
    totals.parameters += elements;
    totals.byType[std::string(weights::name(tensor.dtype))] += elements;
  }
}

std::string millions(std::int64_t parameters) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f M parameters", static_cast<double>(parameters) / 1e6);
  return text;
}

json readJson(const fs::path& file) {
  const auto text = base::readFile(file, 4 << 20);
  return text ? json::parse(*text, nullptr, false) : json();
}
std::int64_t integer(const json& config, const char* key, std::int64_t otherwise = 0) {
  const bool there = config.is_object() && config.contains(key) && config[key].is_number_integer();
  return there ? config[key].get<std::int64_t>() : otherwise;
}
std::string text(const json& config, const char* key, const std::string& otherwise) {
  const bool there = config.is_object() && config.contains(key) && config[key].is_string();
  return there ? config[key].get<std::string>() : otherwise;
}
std::vector<std::int64_t> integers(const json& config, const char* key) {
  std::vector<std::int64_t> list;
  if (!config.is_object() || !config.contains(key) || !config[key].is_array()) return list;
  for (const json& item : config[key])
    if (item.is_number_integer()) list.push_back(item.get<std::int64_t>());
  return list;
}

std::string familyOf(const json& unet) {
  const std::int64_t width = integer(unet, "cross_attention_dim");
  if (unet.is_object() && unet.contains("addition_embed_type") &&
      unet["addition_embed_type"].is_string())
    return "Stable Diffusion XL";
  if (width == 768) return "Stable Diffusion 1.x";
  if (width == 1024) return "Stable Diffusion 2.x";
  return "Stable Diffusion 1.x layout";
}

/// The line of a model's card or README that names its licence.
std::string licenceOf(const fs::path& folder) {
  for (const char* name : {"MODEL_CARD.md", "README.md"}) {
    const auto text = base::readFile(folder / name, 1 << 20);
    if (!text) continue;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
      std::string lower = line;
      std::ranges::transform(
          lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto colon = line.find(": ");
      if ((lower.starts_with("licen") || lower.starts_with("license")) &&
          colon != std::string::npos)
        return line.substr(colon + 2);
    }
  }
  return {};
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text.append(i ? ", " : "").append(std::to_string(shape[i]));
  return text + "]";
}

/// Tensors whose shapes the configuration fixes directly; the whole comparison happens when the
/// model is loaded.
std::map<std::string, std::vector<std::int64_t>> expectedShapes(const std::string& folder,
                                                                const json& config) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const auto channels = integers(config, "block_out_channels");
  if (folder == "unet" && !channels.empty()) {
    const std::int64_t first = channels.front();
    shapes["conv_in.weight"] = {first, integer(config, "in_channels", 4), 3, 3};
    shapes["conv_out.weight"] = {integer(config, "out_channels", 4), first, 3, 3};
    shapes["time_embedding.linear_1.weight"] = {4 * first, first};
  } else if (folder == "vae" && !channels.empty()) {
    const std::int64_t latent = integer(config, "latent_channels", 4);
    shapes["encoder.conv_in.weight"] = {channels.front(), integer(config, "in_channels", 3), 3, 3};
    shapes["decoder.conv_in.weight"] = {channels.back(), latent, 3, 3};
    shapes["decoder.conv_out.weight"] = {
        integer(config, "out_channels", 3), channels.front(), 3, 3};
  } else if (folder == "text_encoder" && integer(config, "hidden_size") > 0) {
    const std::int64_t width = integer(config, "hidden_size");
    shapes["embeddings.token_embedding.weight"] = {integer(config, "vocab_size"), width};
    shapes["embeddings.position_embedding.weight"] = {integer(config, "max_position_embeddings"),
                                                      width};
    shapes["final_layer_norm.weight"] = {width};
  }
  return shapes;
}

void checkShapes(const SafetensorsFile& file,
                 const Part& part,
                 const json& config,
                 std::vector<std::string>& problems) {
  for (const auto& [name, shape] : expectedShapes(part.folder, config)) {
    // Text encoders stand with and without their prefix.
    auto tensor = file.tensors().find(name);
    if (tensor == file.tensors().end()) tensor = file.tensors().find("text_model." + name);
    if (tensor == file.tensors().end())
      problems.push_back(part.folder + ": " + name + " is missing");
    else if (tensor->second.shape != shape)
      problems.push_back(part.folder + ": " + name + " is " + shapeText(tensor->second.shape) +
                         " instead of " + shapeText(shape));
  }
}

/// Adds one part; `replacement` is a run's own file for it.
void addPart(const fs::path& folder,
             const Part& part,
             const fs::path& replacement,
             ModelReport& report,
             Totals& totals) {
  const json config = readJson(folder / part.folder / "config.json");
  if (!config.is_object())
    report.problems.push_back(part.folder + "/config.json is missing or damaged");
  const fs::path path = replacement.empty() ? folder / part.folder / part.file : replacement;
  const auto file = SafetensorsFile::open(path);
  if (!file) {
    report.problems.push_back(api::message(file.error()));
    return;
  }
  Totals own;
  count(*file, own);
  count(*file, totals);
  std::error_code error;
  report.bytes += fs::file_size(path, error);
  report.details.emplace_back(part.name, millions(own.parameters) + ", " + own.dtype());
  checkShapes(*file, part, config, report.problems);
}

ModelReport inspectFolder(const ResolvedModel& model) {
  ModelReport report;
  report.kind = "diffusers folder";
  const json unet = readJson(model.folder / "unet/config.json");
  const json scheduler = readJson(model.folder / "scheduler/scheduler_config.json");
  report.family = familyOf(unet);
  report.prediction = text(scheduler, "prediction_type", "epsilon");
  const auto levels =
      integers(readJson(model.folder / "vae/config.json"), "block_out_channels").size();
  report.resolution = std::clamp<std::int64_t>(integer(unet, "sample_size"), 0, 1 << 16)
                      << (levels > 0 && levels < 16 ? levels - 1 : 3);
  Totals totals;
  const fs::path own[] = {model.unetFile, model.textEncoderFile, {}};
  for (std::size_t i = 0; i < parts().size(); ++i)
    addPart(model.folder, parts()[i], own[i], report, totals);
  report.parameters = totals.parameters;
  report.dtype = totals.dtype();
  for (const char* file :
       {"tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"})
    if (std::error_code error; !fs::exists(model.folder / file, error))
      report.problems.push_back(std::string(file) + " is missing");
  if (const json vocabulary = readJson(model.folder / "tokenizer/vocab.json");
      vocabulary.is_object())
    report.details.emplace_back("Vocabulary", std::to_string(vocabulary.size()) + " tokens");
  if (const std::string licence = licenceOf(model.folder); !licence.empty())
    report.details.emplace_back("Licence", licence);
  return report;
}

std::string stepList(const std::vector<CheckpointInfo>& checkpoints) {
  std::string text;
  for (const CheckpointInfo& checkpoint : checkpoints)
    text.append(text.empty() ? "" : ", ").append(std::to_string(checkpoint.step));
  return text;
}

ModelReport inspectRun(const fs::path& runFolder, const ResolvedModel& model) {
  ModelReport report = inspectFolder(model);
  const api::TrainRequest& request = *model.run;
  report.kind = "run";
  std::vector<std::pair<std::string, std::string>> about{
      {"Method", std::string(api::enumName(request.training.method))},
      {"Subject", api::renderPrompt("{subject}", request.subject)},
      {"Base model", request.base.path},
      {"Photos", std::to_string(std::ranges::count(request.photos, false, &api::Photo::excluded))},
      {"Steps", std::to_string(*model.step) + " of " + std::to_string(api::plannedSteps(request))},
      {"Checkpoints", stepList(listCheckpoints(runFolder))}};
  if (!model.adapterFile.empty()) {
    if (const auto file = SafetensorsFile::open(model.adapterFile)) {
      Totals totals;
      count(*file, totals);
      about.emplace_back("Adapter", millions(totals.parameters) + ", " + totals.dtype());
    } else {
      report.problems.push_back(api::message(file.error()));
    }
  }
  report.details.insert(report.details.begin(), about.begin(), about.end());
  return report;
}

/// Ranks that occur: the first dimension of every down matrix.
std::string ranksOf(const SafetensorsFile& file, std::string_view downSuffix) {
  std::set<std::int64_t> ranks;
  for (const auto& [name, tensor] : file.tensors())
    if (name.ends_with(downSuffix) && !tensor.shape.empty()) ranks.insert(tensor.shape.front());
  std::string text;
  for (const std::int64_t rank : ranks)
    text.append(text.empty() ? "" : ", ").append(std::to_string(rank));
  return text;
}

/// Every down matrix needs its up matrix, and the other way round.
void checkPairs(const SafetensorsFile& file,
                const std::string& down,
                const std::string& up,
                std::vector<std::string>& problems) {
  for (const auto& [suffix, partner] : {std::pair(down, up), std::pair(up, down)})
    for (const auto& [name, tensor] : file.tensors()) {
      if (!name.ends_with(suffix)) continue;
      const std::string other = name.substr(0, name.size() - suffix.size()) + partner;
      if (!file.tensors().contains(other)) problems.push_back(other + " is missing");
    }
}

Result<ModelReport> inspectFile(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".ckpt" || extension == ".pt" || extension == ".bin" || extension == ".pth")
    return fail(ErrorCode::UnsupportedModel,
                {{"file", path.string()},
                 {"reason", "files of this form can run programs; use its .safetensors version"}});
  const auto file = SafetensorsFile::open(path);
  if (!file) return fail(file.error());
  const auto any = [&](auto test) {
    return std::ranges::any_of(file->tensors(),
                               [&](const auto& entry) { return test(entry.first); });
  };
  const auto ends = [&](std::string_view suffix) {
    return any([&](const std::string& name) { return name.ends_with(suffix); });
  };
  const auto starts = [&](std::string_view prefix) {
    return any([&](const std::string& name) { return name.starts_with(prefix); });
  };
  ModelReport report;
  Totals totals;
  count(*file, totals);
  report.parameters = totals.parameters;
  report.dtype = totals.dtype();
  std::error_code error;
  report.bytes = fs::file_size(path, error);
  const auto adapter = [&](std::string kind, const std::string& down, const std::string& up) {
    report.kind = std::move(kind);
    report.details.emplace_back("Rank", ranksOf(*file, down));
    checkPairs(*file, down, up, report.problems);
  };
  if (ends(".lora_down.weight")) {
    adapter("LoRA (kohya)", ".lora_down.weight", ".lora_up.weight");
  } else if (ends(".lora_A.weight")) {
    adapter("LoRA (PEFT)", ".lora_A.weight", ".lora_B.weight");
  } else if (starts("model.diffusion_model.")) {
    report.kind = "safetensors file";
    report.family = starts("conditioner.embedders.")    ? "Stable Diffusion XL"
                    : starts("cond_stage_model.model.") ? "Stable Diffusion 2.x"
                                                        : "Stable Diffusion 1.x";
  } else {
    report.kind = "safetensors file";
  }
  report.details.emplace_back("Tensors", std::to_string(file->tensors().size()));
  for (const auto& [key, value] : file->metadata())
    report.details.emplace_back(key, value.size() > 200 ? value.substr(0, 200) + "..." : value);
  return report;
}

}  // namespace

Result<ModelReport> inspect(const fs::path& path, const fs::path& resources) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return inspectFile(path);
  const auto model = resolveModel({path.string(), "latest", ""}, resources);
  if (!model) return fail(model.error());
  return model->run ? inspectRun(path, *model) : inspectFolder(*model);
}

}  // namespace likeness::workspace

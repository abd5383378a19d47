// Families by configuration and tensor names, sizes by sums over headers.
#include "core/workspace/inspect.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/weights/adapter_file.h"
#include "core/weights/embedding_file.h"
#include "core/weights/pickle_copy.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/resolve_model.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::ModelReport;
using api::ModelType;
using api::Result;
using nlohmann::json;
using weights::SafetensorsFile;

namespace {

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
    const std::int64_t elements = weights::elementCount(tensor.shape);
    totals.parameters += elements;
    totals.byType[std::string(weights::name(tensor.dtype))] += elements;
  }
}

std::string millions(std::int64_t parameters) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f M parameters", static_cast<double>(parameters) / 1e6);
  return text;
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

std::string partName(weights::NetworkKind kind) {
  switch (kind) {
    case weights::NetworkKind::TextEncoder:
      return "Text encoder";
    case weights::NetworkKind::TextEncoder2:
      return "Text encoder 2";
    case weights::NetworkKind::UNet:
      return "UNet";
    case weights::NetworkKind::Vae:
      break;
  }
  return "Autoencoder";
}

/// "F16", or "F16, some F32".
std::string typesOf(const std::map<weights::ScalarType, std::int64_t>& byType) {
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  for (const auto& [type, count] : byType) sorted.emplace_back(count, weights::name(type));
  std::ranges::sort(sorted, std::greater());
  std::string text;
  for (const auto& [count, name] : sorted) text += (text.empty() ? "" : ", some ") + name;
  return text;
}

/// What a person may want to know of ModelSpec's and kohya's metadata, in words.
void addMetadata(const std::map<std::string, std::string>& metadata, ModelReport& report) {
  constexpr std::pair<const char*, const char*> words[] = {
      {"modelspec.title", "Title"},
      {"modelspec.author", "Author"},
      {"modelspec.description", "Description"},
      {"modelspec.license", "Licence"},
      {"modelspec.trigger_phrase", "Trigger words"},
      {"modelspec.usage_hint", "Usage"},
      {"modelspec.tags", "Tags"},
      {"modelspec.date", "Date"},
      {"modelspec.merged_from", "Merged from"},
      {"modelspec.architecture", "Architecture"},
      {"ss_base_model_version", "Made for"},
      {"ss_sd_model_name", "Trained on"},
      {"ss_network_module", "Network module"},
      {"ss_network_dim", "Stated rank"},
      {"ss_network_alpha", "Stated alpha"},
      {"ss_steps", "Steps"},
      {"ss_epoch", "Epochs"},
      {"ss_num_train_images", "Training pictures"},
      {"ss_resolution", "Training resolution"},
      {"ss_training_comment", "Comment"}};
  constexpr std::size_t longest = 300;
  for (const auto& [key, label] : words) {
    const auto found = metadata.find(key);
    if (found == metadata.end() || found->second.empty() || found->second == "None") continue;
    const bool there = std::ranges::any_of(
        report.details,
        [&, wanted = std::string(label)](const auto& d) { return d.first == wanted; });
    if (!there)
      report.details.emplace_back(label,
                                  found->second.size() > longest
                                      ? found->second.substr(0, longest) + "..."
                                      : found->second);
  }
  // kohya counts the tags of each folder of pictures; the most frequent ones are the trigger words.
  const auto tags = metadata.find("ss_tag_frequency");
  if (tags == metadata.end()) return;
  const json folders = json::parse(tags->second, nullptr, false);
  std::map<std::string, std::int64_t> counts;
  if (folders.is_object())
    for (const auto& [folder, list] : folders.items())
      if (list.is_object())
        for (const auto& [tag, count] : list.items())
          if (count.is_number_integer()) counts[tag] += count.get<std::int64_t>();
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  for (const auto& [tag, count] : counts) sorted.emplace_back(-count, tag);
  std::ranges::sort(sorted);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(sorted.size(), 8); ++i)
    text += (i ? ", " : "") + sorted[i].second;
  if (!text.empty()) report.details.emplace_back("Frequent tags", text);
}

std::uint64_t sizeOf(const fs::path& file) {
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  return error ? 0 : bytes;
}

api::PredictionChoice choiceOf(weights::PredictionType type) {
  api::PredictionChoice choice = api::PredictionChoice::Auto;
  api::parseEnum(weights::name(type), choice);
  return choice;
}

/// Everything about a model whose parts could be opened, and what keeps the others closed.
ModelReport describe(const weights::StoredModel& model) {
  ModelReport report;
  report.type = model.isFolder ? ModelType::Folder : ModelType::SingleFile;
  report.kind = model.isFolder ? "diffusers folder" : "checkpoint in one file";
  const auto& unet = model.configs.unet;
  report.family = weights::name(model.family);
  if (model.family == weights::Family::StableDiffusion1 && unet.crossAttentionDim != 768)
    report.family += " layout";
  if (!model.variant.empty()) report.family += ", " + model.variant;
  for (const api::Error& fault : model.faults) report.problems.push_back(api::message(fault));
  if (model.networks.empty() && model.faults.empty()) {
    report.problems.emplace_back("Likeness reads Stable Diffusion 1, 2 and XL, not this family");
    return report;
  }
  report.prediction = choiceOf(model.prediction.type);
  report.predictionGuessed = model.prediction.certainty == weights::Certainty::Guessed;
  report.resolution = model.resolution();
  std::map<weights::ScalarType, std::int64_t> types;
  std::set<fs::path> files;
  for (const auto& [kind, network] : model.networks) {
    const auto byType = network.parametersByType();
    for (const auto& [type, count] : byType) types[type] += count;
    report.parameters += network.parameters();
    std::string text = millions(network.parameters()) + ", " + typesOf(byType);
    if (network.files.size() > 1) text += ", " + std::to_string(network.files.size()) + " shards";
    if (kind == weights::NetworkKind::Vae && !model.vaePath.empty())
      text += ", from " + model.vaePath.filename().string();
    report.details.emplace_back(partName(kind), text);
    files.insert(network.files.begin(), network.files.end());
    const std::string folder =
        model.isFolder ? network.place.parent_path().filename().string() + ": " : "";
    for (const std::string& problem : network.problems) report.problems.push_back(folder + problem);
  }
  for (const fs::path& file : files) report.bytes += sizeOf(file);
  report.dtype = typesOf(types);
  report.details.emplace_back("Tensors", std::to_string(model.tensorCount));
  if (!model.unknown.empty())
    report.details.emplace_back(
        "Of no use",
        std::to_string(model.unknown.size()) + " tensors, among them " + model.unknown.front());
  return report;
}

ModelReport inspectFolder(const weights::StoredModel& model) {
  ModelReport report = describe(model);
  const auto there = [&](const char* file) {
    std::error_code error;
    return fs::exists(model.path / file, error);
  };
  if (there("tokenizer/vocab.json") || !there("tokenizer/tokenizer.json"))
    for (const char* file : {"tokenizer/vocab.json", "tokenizer/merges.txt"})
      if (!there(file)) report.problems.push_back(std::string(file) + " is missing");
  if (const auto text = base::readFile(model.path / "tokenizer/vocab.json", 4 << 20)) {
    const json vocabulary = json::parse(*text, nullptr, false);
    if (vocabulary.is_object())
      report.details.emplace_back("Vocabulary", std::to_string(vocabulary.size()) + " tokens");
  }
  if (const std::string licence = licenceOf(model.path); !licence.empty())
    report.details.emplace_back("Licence", licence);
  return report;
}

std::string stepList(const std::vector<CheckpointInfo>& checkpoints) {
  std::string text;
  for (const CheckpointInfo& checkpoint : checkpoints)
    text.append(text.empty() ? "" : ", ").append(std::to_string(checkpoint.step));
  return text;
}

ModelReport inspectRun(const fs::path& runFolder,
                       const ResolvedModel& model,
                       const weights::StoredModel& stored) {
  ModelReport report = stored.isFolder ? inspectFolder(stored) : describe(stored);
  const api::TrainRequest& request = *model.run;
  report.type = ModelType::Run;
  report.kind = "run";
  std::vector<std::pair<std::string, std::string>> about{
      {"Method", std::string(api::enumName(request.training.method))},
      {request.furtherSubjects.empty() ? "Subject" : "Subjects", api::subjectWords(request)},
      {"Base model", request.base.path},
      {"Photos", std::to_string(api::photoCount(request))},
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

/// "4, 8"
std::string listOf(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (const std::int64_t number : numbers)
    text.append(text.empty() ? "" : ", ").append(std::to_string(number));
  return text;
}

/// What an adapter is, which layers it has, and for which models it is.
void describeAdapter(const weights::AdapterFile& adapter,
                     const SafetensorsFile& file,
                     ModelReport& report) {
  report.type = ModelType::Adapter;
  report.kind = adapter.kind();
  report.problems = adapter.problems;
  if (const auto family = weights::familyOf(adapter, file.tensors(), file.metadata()))
    report.family = weights::name(*family);
  report.details.emplace_back("Layers", std::to_string(adapter.modules.size()));
  if (const auto ranks = adapter.ranks(); !ranks.empty())
    report.details.emplace_back("Rank", listOf(ranks));
  report.details.emplace_back("Use",
                              "Add it to a model of its family when you make pictures: --adapter " +
                                  file.path().filename().string() + ":1");
}

/// What is not a whole model.
ModelReport inspectPart(const SafetensorsFile& file) {
  const auto any = [&](auto test) {
    return std::ranges::any_of(file.tensors(),
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
  count(file, totals);
  report.parameters = totals.parameters;
  report.dtype = totals.dtype();
  report.bytes = sizeOf(file.path());
  const auto lone = [&](ModelType type, std::string kind, std::string use = {}) {
    report.type = type;
    report.kind = std::move(kind);
    if (!use.empty()) report.details.emplace_back("Use", std::move(use));
  };
  const auto has = [&](const char* name) { return file.tensors().contains(name); };
  if (const auto adapter = weights::readAdapterFile(file.tensors())) {
    describeAdapter(*adapter, file, report);
  } else if (starts("control_model.") || starts("controlnet_cond_embedding.")) {
    lone(ModelType::Part, "ControlNet");
    report.problems.emplace_back("Likeness has no use for a ControlNet");
  } else if (ends("decoder.conv_in.weight") && ends("encoder.conv_in.weight")) {
    lone(ModelType::Autoencoder,
         "autoencoder (VAE)",
         "It can stand in for a model's own: --vae FILE");
  } else if (starts("decoder.layers.") || (has("1.weight") && has("3.conv.0.weight"))) {
    lone(ModelType::Part, "preview decoder (TAESD)");
    report.problems.emplace_back("Likeness makes its previews without one");
  } else if (has("input_blocks.0.0.weight") || has("down_blocks.0.resnets.0.conv1.weight")) {
    lone(ModelType::Part, "UNet alone");
    report.problems.emplace_back("The text encoder and the autoencoder of a model are missing");
  } else if (starts("text_model.") || starts("transformer.resblocks.")) {
    lone(ModelType::Part, "text encoder alone");
    report.problems.emplace_back("The UNet and the autoencoder of a model are missing");
  } else if (weights::isEmbedding(file)) {
    lone(ModelType::Embedding,
         "embedding (textual inversion)",
         "Its name without the ending is a word for prompts: --embeddings FILE");
  } else {
    report.kind = weights::isPickle(file.path()) ? "pickle file" : "safetensors file";
    report.problems.emplace_back("No model, adapter or embedding of Stable Diffusion is in it");
  }
  report.details.emplace_back("Tensors", std::to_string(file.tensors().size()));
  addMetadata(file.metadata(), report);
  return report;
}

/// Where a pickle's tensors are read from; openModel has made the copy.
void addSafeCopy(const fs::path& path, ModelReport& report) {
  if (!weights::isPickle(path)) return;
  if (const auto copy = weights::safeCopyOf(path))
    report.details.emplace_back("Safe copy", copy->string());
}

}  // namespace

Result<ModelReport> inspect(const api::ModelRef& ref, const fs::path& resources) {
  const fs::path path = ref.path;
  std::error_code error;
  const bool isFile = fs::is_regular_file(path, error);
  if (const fs::path adapter = weights::adapterIn(path); adapter != path)
    return inspect(api::ModelRef{adapter.string()}, resources);
  auto resolved = resolveModel(ref, resources);
  if (!resolved) return fail(resolved.error());
  resolved->files.partial = true;
  const auto model = weights::openModel(resolved->files);
  if (!model && isFile && model.error().code == ErrorCode::UnsupportedModel)
    if (const auto file = weights::openWeights(path); file && !weights::isCheckpoint(*file)) {
      ModelReport report = inspectPart(*file);
      addSafeCopy(path, report);
      return report;
    }
  if (!model) return fail(model.error());
  if (resolved->run) return inspectRun(path, *resolved, *model);
  ModelReport report = model->isFolder ? inspectFolder(*model) : describe(*model);
  addMetadata(model->metadata, report);
  addSafeCopy(path, report);
  return report;
}

}  // namespace likeness::workspace

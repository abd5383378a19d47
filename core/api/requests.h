// Requests: complete, copyable, comparable values. Nothing an engine does depends on anything else.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/api/result.h"
#include "core/api/train_options.h"

namespace likeness::api {

/// Part of a picture, in fractions of its upright width and height (after EXIF orientation).
struct CropRect {
  double x = 0, y = 0, width = 1, height = 1;
  bool operator==(const CropRect&) const = default;
};

/// One photo of the subject.
struct Photo {
  std::filesystem::path file;
  /// Empty = the subject prompt; may hold {subject}. Of several lines, each step takes one.
  std::string caption;
  std::optional<CropRect> crop;  ///< absent = centre crop to the shorter side
  bool excluded = false;
  std::filesystem::path mask{};  ///< grey picture, white where the photo counts; empty = everywhere
  std::int64_t repeats = 1;      ///< how often it is studied in one pass
  bool operator==(const Photo&) const = default;
};

/// One more subject that a run learns beside the first, with its own words and pictures; its class
/// pictures are as many and made as those of the first.
struct FurtherSubject {
  SubjectOptions subject;
  std::vector<Photo> photos;
  std::filesystem::path classFolder{};  ///< own pictures of its class; empty = made by the model
  bool operator==(const FurtherSubject&) const = default;
};

/// Where a model comes from: `starter`, a diffusers folder, a .safetensors or .ckpt file, or a run
/// folder (its checkpoint).
struct ModelRef {
  std::string path = "starter";
  std::string checkpoint = "latest";  ///< of a run: latest, best or a step number
  std::string hash{};                 ///< of the weights, recorded by runs; empty = not checked
  std::filesystem::path vae{};        ///< an autoencoder in place of the model's; empty = its own
  PredictionChoice prediction = PredictionChoice::Auto;  ///< for files that do not say it
  bool operator==(const ModelRef&) const = default;
};

struct AdapterRef {
  std::filesystem::path file;
  double strength = 1;
  bool operator==(const AdapterRef&) const = default;
};

/// Photos in, a run folder out. `runFolder` receives everything (design.md, section 3).
struct TrainRequest {
  ModelRef base;
  std::vector<Photo> photos;
  SubjectOptions subject;
  std::vector<FurtherSubject> furtherSubjects;
  TrainingOptions training;
  LoraOptions lora;
  EmbeddingOptions embedding;
  LossOptions loss;
  DataOptions data;
  PriorOptions prior;
  OptimizerOptions optimizer;
  MemoryOptions memory;
  WatchOptions watch;
  CheckpointOptions checkpoints;
  ComputeOptions compute;
  std::filesystem::path runFolder;
  std::filesystem::path
      classImageFolder;  ///< shared store (project's class-images/); empty = inside the run
  std::filesystem::path cacheFolder;  ///< latents; empty = inside the run
  bool resume = false;
  bool operator==(const TrainRequest&) const = default;
};

/// Words in, pictures out.
struct GenerateRequest {
  ModelRef model;
  std::vector<AdapterRef> adapters;
  std::vector<std::string> embeddings;  ///< files of words for prompts
  std::string prompt;  ///< may hold {a|b}, of which each picture takes one by its seed
  std::string negativePrompt;
  std::vector<std::string> prompts;  ///< in place of `prompt`: `count` pictures of each, in order
  PromptSyntax promptSyntax = PromptSyntax::A1111;
  /// What `prompt` and `negativePrompt` were made of; written into pictures, empty = the same.
  std::string promptTemplate, negativeTemplate;
  SubjectOptions subject;  ///< renders {subject}; empty classWord = prompt is taken as it is
  SamplingOptions sampling;
  std::int64_t seed = 1;   ///< picture i has seed + i
  std::int64_t count = 1;  ///< of each prompt
  std::int64_t width = 0;  ///< pixels, multiple of 8; 0 = what the model was made for
  std::int64_t height = 0;
  std::filesystem::path image;  ///< to begin with; empty = noise alone. Gives the size when none is
  std::filesystem::path mask;   ///< of `image`: white is drawn anew, black kept
  double strength = 0.75;       ///< of `image`: the part of the steps that are made
  double hiresScale = 1;        ///< above 1: enlarged so much, then drawn over in a second pass
  double hiresStrength = 0.5;   ///< `strength` of the second pass
  std::filesystem::path initialLatents;  ///< one tensor `latents` [N, 4, h, w] of standard noise
  std::int64_t previewEvery = 0;         ///< sampler steps between previews; 0 = none
  ComputeOptions compute;
  std::filesystem::path outFolder;  ///< PNG files; empty = pictures only as events
  bool grid = false;                ///< also writes one contact sheet
  bool operator==(const GenerateRequest&) const = default;
};

/// Makes (or completes) the class pictures of a base model, under their key.
struct ClassImagesRequest {
  ModelRef base;
  SubjectOptions subject;  ///< classWord and classPrompt count
  PriorOptions prior;
  std::int64_t resolution = 0;
  std::int64_t seed = 1;
  ComputeOptions compute;
  std::filesystem::path outFolder;
  bool operator==(const ClassImagesRequest&) const = default;
};

/// A run's checkpoint in the form that other tools read; reopened and re-rendered before it is
/// done.
struct ExportRequest {
  std::filesystem::path runFolder;
  std::string checkpoint = "latest";
  ExportFormat format = ExportFormat::Diffusers;
  FileDType dtype = FileDType::Fp16;
  std::filesystem::path out;
  ComputeOptions compute;
  bool operator==(const ExportRequest&) const = default;
};

/// A model in another form or number format. Values change by rounding alone; the result is opened
/// again and compared with the source before it is done. What an interrupted conversion left in
/// OUT.partial is continued by the same request.
struct ConvertRequest {
  ModelRef model;
  ModelForm form = ModelForm::SingleFile;
  std::optional<FileDType> dtype;  ///< absent = every tensor as it is stored
  std::int64_t shardMiB = 10'000;  ///< a folder's weight files are split above it; 0 = never
  std::filesystem::path out;       ///< folder, or .safetensors file; must not exist
  bool operator==(const ConvertRequest&) const = default;
};

/// Two or three models of one family and of the same shapes become one, tensor by tensor in fp32.
/// Otherwise as a conversion of the first, whose names, configurations and whole numbers it gets.
struct MergeRequest {
  ModelRef a, b;
  std::optional<ModelRef> c;  ///< AddDifference alone
  MergeMethod method = MergeMethod::Weighted;
  /// x of (1 - x) A + x B, 0..1; of A + x (B - C), -2..2. At 0, A bit for bit.
  double ratio = 0.5;
  ModelForm form = ModelForm::SingleFile;  ///< or Diffusers
  std::optional<FileDType> dtype;          ///< absent = every tensor as the first model stores it
  std::int64_t shardMiB = 10'000;
  std::filesystem::path out;
  bool operator==(const MergeRequest&) const = default;
};

/// What a model learned beside the one that it was trained from, as a LoRA: of every layer of the
/// UNet and of the text encoders that differs, the nearest change of this rank.
struct ExtractRequest {
  ModelRef base, tuned;
  std::int64_t rank = 32;
  double alpha = 0;                       ///< 0 = the rank
  ModelForm form = ModelForm::KohyaLora;  ///< or PeftLora
  FileDType dtype = FileDType::Fp16;
  std::filesystem::path out;
  bool operator==(const ExtractRequest&) const = default;
};

/// Times the engine on a model; figures come with the finish event.
struct BenchRequest {
  ModelRef model;
  std::int64_t repeats = 5;
  ComputeOptions compute;
  bool operator==(const BenchRequest&) const = default;
};

using Request = std::variant<TrainRequest,
                             GenerateRequest,
                             ClassImagesRequest,
                             ExportRequest,
                             ConvertRequest,
                             MergeRequest,
                             ExtractRequest,
                             BenchRequest>;

/// A rule broken by a field: `path` is the dotted YAML path ("training.learningRate").
struct FieldError {
  std::string path;
  Error error;
  bool operator==(const FieldError&) const = default;
};

/// Visits every option section of a request in YAML order: visitor(sectionName, struct&).
/// The one list of sections, shared by YAML, validation, flags, form and docs.
template <class R, class Visitor>
requires std::is_same_v<std::remove_const_t<R>, TrainRequest>
void forEachSection(R& r, Visitor&& visit) {
  visit("subject", r.subject);
  visit("training", r.training);
  visit("lora", r.lora);
  visit("embedding", r.embedding);
  visit("loss", r.loss);
  visit("data", r.data);
  visit("prior", r.prior);
  visit("optimizer", r.optimizer);
  visit("memory", r.memory);
  visit("watch", r.watch);
  visit("checkpoints", r.checkpoints);
  visit("compute", r.compute);
}

template <class R, class Visitor>
requires std::is_same_v<std::remove_const_t<R>, GenerateRequest>
void forEachSection(R& r, Visitor&& visit) {
  visit("subject", r.subject);
  visit("sampling", r.sampling);
  visit("compute", r.compute);
}
template <class R, class Visitor>
requires std::is_same_v<std::remove_const_t<R>, ClassImagesRequest>
void forEachSection(R& r, Visitor&& visit) {
  visit("subject", r.subject);
  visit("prior", r.prior);
  visit("compute", r.compute);
}
template <class R, class Visitor>
requires std::is_same_v<std::remove_const_t<R>, ExportRequest> ||
    std::is_same_v<std::remove_const_t<R>, BenchRequest>
void forEachSection(R& r, Visitor&& visit) { visit("compute", r.compute); }

/// Rows of the plain members of a request: prompt, seed, count, size...
template <>
std::span<const Field<GenerateRequest>> fields<GenerateRequest>();

/// Ranges of the field tables and the rules between fields. Looks at values only, never at files.
std::vector<FieldError> validate(const TrainRequest& request);
std::vector<FieldError> validate(const GenerateRequest& request);
std::vector<FieldError> validate(const ClassImagesRequest& request);
std::vector<FieldError> validate(const ExportRequest& request);
std::vector<FieldError> validate(const ConvertRequest& request);
std::vector<FieldError> validate(const MergeRequest& request);
std::vector<FieldError> validate(const ExtractRequest& request);
std::vector<FieldError> validate(const BenchRequest& request);
std::vector<FieldError> validate(const Request& request);

/// `{subject}`, `{token}`, `{class}` filled in: "a photo of {subject}" -> "a photo of sks dog".
/// Without a class word the prompt is taken as it is.
std::string renderPrompt(std::string_view prompt, const SubjectOptions& subject);
/// All pictures of a request: `count` of each prompt.
std::int64_t pictureCount(const GenerateRequest& request);
/// Optimizer steps of the request: `steps`, or passes per photo times the photos that are not
/// excluded, over the photos of one step (batch size x accumulation), rounded up.
std::int64_t plannedSteps(const TrainRequest& request);
/// The learning rate of what the method trains first of all: the UNet, the adapter, the new word.
double effectiveLearningRate(const TrainRequest& request);

}  // namespace likeness::api

// What makes a request complete and consistent, and the words and numbers that follow from it.
#include "core/api/requests.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace likeness::api {

namespace {

using Errors = std::vector<FieldError>;

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

void outOfRange(Errors& errors,
                std::string path,
                std::string_view label,
                std::string value,
                std::string range) {
  Error error{ErrorCode::OutOfRange,
              {{"key", path},
               {"label", std::string(label)},
               {"value", std::move(value)},
               {"range", std::move(range)}},
              {}};
  errors.push_back({std::move(path), std::move(error)});
}
void missing(Errors& errors, std::string path, std::string_view label, std::string_view fix) {
  Error error{ErrorCode::MissingValue,
              {{"key", path}, {"label", std::string(label)}, {"fix", std::string(fix)}},
              {}};
  errors.push_back({std::move(path), std::move(error)});
}
void contradiction(Errors& errors, std::string path, std::string reason, std::string_view fix) {
  Error error{ErrorCode::BadCombination,
              {{"key", path}, {"reason", std::move(reason)}, {"fix", std::string(fix)}},
              {}};
  errors.push_back({std::move(path), std::move(error)});
}

/// Ranges of every numeric row of one struct.
template <class S>
void checkRanges(Errors& errors, const std::string& prefix, const S& object) {
  for (const Field<S>& row : fields<S>()) {
    const FieldValue value = row.get(object);
    double numeric = 0;
    if (const auto* integer = std::get_if<std::int64_t>(&value))
      numeric = static_cast<double>(*integer);
    else if (const auto* real = std::get_if<double>(&value))
      numeric = *real;
    else
      continue;
    // Written so that NaN fails.
    if (numeric >= row.min && numeric <= row.max) continue;
    outOfRange(errors, prefix + std::string(row.key), row.label, number(numeric), rangeText(row));
  }
}
template <class R>
Errors sectionRanges(const R& request) {
  Errors errors;
  forEachSection(request, [&](const char* section, const auto& options) {
    checkRanges(errors, std::string(section) + ".", options);
  });
  return errors;
}

/// The keys of the samplers that have a property: "euler, heun or unipc".
std::string samplersWith(bool SamplerInfo::*property) {
  std::vector<std::string_view> keys;
  for (const SamplerInfo& info : kSamplers)
    if (info.*property) keys.push_back(info.key);
  std::string out;
  for (std::size_t i = 0; i < keys.size(); ++i)
    out.append(i == 0 ? "" : i + 1 == keys.size() ? " or " : ", ").append(keys[i]);
  return out;
}

/// `prefix` leads to the keys: "sampling.", or "prior.class" whose keys go on with a capital.
void checkSampling(Errors& errors, const SamplingOptions& sampling, const std::string& prefix) {
  const SamplerInfo& info = samplerInfo(sampling.sampler);
  const std::string label(info.label);
  const auto path = [&](std::string key) {
    if (!prefix.ends_with('.')) key[0] = static_cast<char>(key[0] - 'a' + 'A');
    return prefix + key;
  };
  const auto needs = [&](bool wanted,
                         bool SamplerInfo::*property,
                         const char* key,
                         const char* what,
                         const char* off) {
    if (wanted && !(info.*property))
      contradiction(errors,
                    path(key),
                    std::string(what) + " does not go with the " + label + " sampler",
                    std::string(off) + ", or choose " + samplersWith(property) + " as sampler");
  };
  needs(sampling.karras, &SamplerInfo::sigmas, "karras", "Karras spacing", "Turn it off");
  needs(sampling.exponential,
        &SamplerInfo::sigmas,
        "exponential",
        "Exponential spacing",
        "Turn it off");
  needs(sampling.eta > 0, &SamplerInfo::eta, "eta", "Eta", "Set it to 0");
  needs(sampling.spacing != TimestepSpacing::Auto,
        &SamplerInfo::spacing,
        "spacing",
        "Timestep spacing",
        "Set it to auto");
  if (info.sigmas && sampling.karras && sampling.exponential)
    contradiction(errors,
                  path("exponential"),
                  "Karras and exponential spacing exclude each other",
                  "Turn one of them off");
  if (sampling.steps > info.maxSteps && sampling.steps <= 1000)
    contradiction(
        errors,
        path("steps"),
        "The " + label + " sampler has at most " + std::to_string(info.maxSteps) + " steps",
        "Lower the steps (4 to 8 are usual), or choose another sampler");
  if (sampling.guidanceRescale > 0 && sampling.guidance == 1)
    contradiction(errors,
                  path("guidanceRescale"),
                  "Guidance is off, so there is nothing to rescale",
                  "Set guidance rescale to 0, or guidance to more than 1");
}

void checkModel(Errors& errors,
                const ModelRef& model,
                const std::string& path,
                std::string_view label) {
  if (blank(model.path)) missing(errors, path, label, "Choose `starter`, a model folder or a run");
}

void checkCheckpoint(Errors& errors, const std::string& checkpoint, const std::string& path) {
  std::int64_t step = 0;
  const char* end = checkpoint.data() + checkpoint.size();
  const auto [stop, error] = std::from_chars(checkpoint.data(), end, step);
  const bool isStep = error == std::errc() && stop == end && step >= 0;
  if (checkpoint != "latest" && checkpoint != "best" && !isStep)
    outOfRange(errors,
               path,
               "Checkpoint",
               "\"" + checkpoint + "\"",
               "latest, best or the number of a step");
}

void checkForm(Errors& errors, ModelForm form, bool lora) {
  if (isLora(form) != lora)
    outOfRange(errors,
               "form",
               "Form",
               std::string(enumName(form)),
               lora ? "kohya-lora or peft-lora" : "diffusers or single-file");
}

/// Where a model or an adapter goes.
void checkOutput(Errors& errors,
                 ModelForm form,
                 const std::filesystem::path& out,
                 std::int64_t shardMiB) {
  if (shardMiB < 0)
    outOfRange(errors, "shardMiB", "Shard size", std::to_string(shardMiB), "at least 0");
  if (out.empty())
    missing(errors, "out", "The output path", "Choose where the result goes");
  else if (form != ModelForm::Diffusers && out.extension() != ".safetensors")
    outOfRange(errors, "out", "Output file", out.string(), "a name that ends in .safetensors");
}

void checkMultipleOf8(Errors& errors,
                      std::int64_t value,
                      const std::string& path,
                      std::string_view label) {
  // 8 is the autoencoder's factor: other sizes have no latent.
  if (value > 0 && value % 8 != 0)
    outOfRange(errors, path, label, std::to_string(value), "a multiple of 8");
}

void checkDevice(Errors& errors, const ComputeOptions& compute) {
  const std::string_view device = compute.device;
  const std::string_view index =
      device.starts_with("cuda:") ? device.substr(5) : std::string_view("0");
  const bool digits = !index.empty() && index.size() < 4 &&
                      index.find_first_not_of("0123456789") == std::string_view::npos;
  if (device == "auto" || device == "cpu" || device == "cuda" ||
      (device.starts_with("cuda:") && digits))
    return;
  outOfRange(errors,
             "compute.device",
             "Compute on",
             "\"" + compute.device + "\"",
             "auto, cpu, cuda or cuda:N");
}

void checkClassWord(Errors& errors, const SubjectOptions& subject) {
  if (blank(subject.classWord))
    missing(errors,
            "subject.class",
            "The class word",
            "Say what kind of thing the subject is in one everyday word, such as dog or toy");
}

void checkSubject(Errors& errors, const SubjectOptions& subject) {
  checkClassWord(errors, subject);
  if (blank(subject.token))
    missing(errors, "subject.token", "The identifier", "Use a rare short word such as sks");
  else if (subject.token.find_first_of(" \t\r\n{}") != std::string::npos)
    outOfRange(errors,
               "subject.token",
               "Identifier",
               "\"" + subject.token + "\"",
               "a single word without spaces or braces");
  if (blank(subject.subjectPrompt))
    missing(errors,
            "subject.subjectPrompt",
            "The photo caption",
            "Write for example: a photo of {subject}");
}

void checkClassPrompt(Errors& errors, const SubjectOptions& subject) {
  if (blank(subject.classPrompt))
    missing(errors,
            "subject.classPrompt",
            "The class caption",
            "Write for example: a photo of {class}");
  else if (subject.classPrompt.find("{subject}") != std::string::npos ||
           subject.classPrompt.find("{token}") != std::string::npos)
    contradiction(
        errors,
        "subject.classPrompt",
        "The class caption names the subject itself, so its class could not be kept apart",
        "Use {class} in it, as in: a photo of {class}");
}

void checkPhotos(Errors& errors, const std::vector<Photo>& photos) {
  if (std::ranges::all_of(photos, &Photo::excluded))
    errors.push_back({"photos", Error{ErrorCode::NoPhotos, {}, {}}});
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const std::string path = "photos[" + std::to_string(i) + "]";
    if (photos[i].file.empty())
      missing(errors, path + ".file", "The photo's file", "Name the file or remove the entry");
    if (!photos[i].crop) continue;
    const CropRect& c = *photos[i].crop;
    constexpr double kSlack = 1e-6;
    const bool inside = c.x >= 0 && c.y >= 0 && c.width > 0 && c.height > 0 &&
                        c.x + c.width <= 1 + kSlack && c.y + c.height <= 1 + kSlack;
    if (!inside)
      outOfRange(errors,
                 path + ".crop",
                 "Crop",
                 "[" + number(c.x) + ", " + number(c.y) + ", " + number(c.width) + ", " +
                     number(c.height) + "]",
                 "x, y, width and height as fractions inside the picture");
  }
}

void checkTextEncoder(Errors& errors, const TrainingOptions& training) {
  if (training.textEncoderLearningRate == 0) return;
  if (training.method == Method::Lora)
    contradiction(errors,
                  "training.textEncoderLearningRate",
                  "An adapter (LoRA) leaves the text encoder as it is",
                  "Set textEncoderLearningRate to 0, or choose the full method");
  else if (!training.trainTextEncoder)
    contradiction(errors,
                  "training.textEncoderLearningRate",
                  "The text encoder has a learning rate but is not trained",
                  "Set textEncoderLearningRate to 0, or turn trainTextEncoder on");
}

}  // namespace

std::vector<FieldError> validate(const TrainRequest& r) {
  Errors errors = sectionRanges(r);
  checkModel(errors, r.base, "base", "The base model");
  checkCheckpoint(errors, r.base.checkpoint, "base.checkpoint");
  checkPhotos(errors, r.photos);
  checkSubject(errors, r.subject);
  checkMultipleOf8(errors, r.training.resolution, "training.resolution", "Resolution");
  checkTextEncoder(errors, r.training);
  if (!(effectiveLearningRate(r) > 0))
    outOfRange(
        errors,
        r.training.method == Method::Lora ? "lora.loraLearningRate" : "training.learningRate",
        "Learning rate",
        number(effectiveLearningRate(r)),
        "greater than 0");
  if (r.training.method == Method::Lora && r.lora.targets.empty())
    missing(errors, "lora.targets", "Adapted layers", "Name at least one layer, such as to_q");
  if (r.prior.classImages > 0) {
    checkClassPrompt(errors, r.subject);
    checkSampling(errors, r.prior.sampling, "prior.class");
  }
  checkSampling(errors, r.watch.sampling, "watch.sample");
  checkDevice(errors, r.compute);
  if (r.runFolder.empty())
    missing(errors, "runFolder", "The run's folder", "Choose where the run is kept");
  return errors;
}

std::vector<FieldError> validate(const GenerateRequest& r) {
  Errors errors = sectionRanges(r);
  checkRanges(errors, "", r);
  checkModel(errors, r.model, "model", "The model");
  checkCheckpoint(errors, r.model.checkpoint, "checkpoint");
  for (std::size_t i = 0; i < r.adapters.size(); ++i) {
    const std::string path = "adapters[" + std::to_string(i) + "]";
    if (r.adapters[i].file.empty())
      missing(errors, path + ".file", "The adapter's file", "Name the file or remove the entry");
    if (!(std::abs(r.adapters[i].strength) <= 10))
      outOfRange(errors,
                 path + ".strength",
                 "Adapter strength",
                 number(r.adapters[i].strength),
                 "between -10 and 10");
  }
  if (!r.prompts.empty() && !blank(r.prompt))
    contradiction(
        errors, "prompts", "There is a prompt beside the list of prompts", "Leave one of them out");
  checkSampling(errors, r.sampling, "sampling.");
  checkMultipleOf8(errors, r.width, "width", "Width");
  checkMultipleOf8(errors, r.height, "height", "Height");
  if (r.image.empty() && !r.mask.empty())
    contradiction(errors,
                  "mask",
                  "There is a mask without the picture that it belongs to",
                  "Name the picture too");
  if ((r.width == 0) != (r.height == 0))
    contradiction(errors,
                  r.width == 0 ? "width" : "height",
                  "Width and height belong together",
                  "Give both, or neither");
  checkDevice(errors, r.compute);
  return errors;
}

std::vector<FieldError> validate(const ClassImagesRequest& r) {
  Errors errors = sectionRanges(r);
  checkModel(errors, r.base, "base", "The base model");
  checkCheckpoint(errors, r.base.checkpoint, "base.checkpoint");
  checkClassWord(errors, r.subject);
  checkClassPrompt(errors, r.subject);
  if (r.prior.classImages == 0)
    outOfRange(errors, "prior.classImages", "Class pictures", "0", "at least 1");
  checkSampling(errors, r.prior.sampling, "prior.class");
  if (r.resolution < 0 || r.resolution > 4096)
    outOfRange(
        errors, "resolution", "Resolution", std::to_string(r.resolution), "between 0 and 4096");
  checkMultipleOf8(errors, r.resolution, "resolution", "Resolution");
  if (r.seed < 0) outOfRange(errors, "seed", "Seed", std::to_string(r.seed), "at least 0");
  checkDevice(errors, r.compute);
  if (r.outFolder.empty())
    missing(errors, "outFolder", "The output folder", "Choose where the pictures are kept");
  return errors;
}

std::vector<FieldError> validate(const ExportRequest& r) {
  Errors errors = sectionRanges(r);
  if (r.runFolder.empty()) missing(errors, "runFolder", "The run", "Choose the run to export");
  checkCheckpoint(errors, r.checkpoint, "checkpoint");
  if (r.out.empty())
    missing(errors, "out", "The output path", "Choose where the exported model goes");
  checkDevice(errors, r.compute);
  return errors;
}

std::vector<FieldError> validate(const ConvertRequest& r) {
  Errors errors;
  checkModel(errors, r.model, "model", "The model");
  checkCheckpoint(errors, r.model.checkpoint, "checkpoint");
  checkOutput(errors, r.form, r.out, r.shardMiB);
  return errors;
}

std::vector<FieldError> validate(const MergeRequest& r) {
  Errors errors;
  checkModel(errors, r.a, "a", "The first model");
  checkModel(errors, r.b, "b", "The second model");
  if (r.c) checkModel(errors, *r.c, "c", "The third model");
  for (const ModelRef* model : {&r.a, &r.b, r.c ? &*r.c : &r.b})
    checkCheckpoint(errors, model->checkpoint, "checkpoint");
  const bool difference = r.method == MergeMethod::AddDifference;
  if (difference && !r.c)
    missing(errors, "c", "The third model", "Name the model that the second one was trained from");
  if (!difference && r.c)
    contradiction(errors,
                  "c",
                  "A weighted sum is one of two models, and there are three",
                  "Leave the third out, or take the method add-difference");
  if (!(r.ratio >= (difference ? -2 : 0) && r.ratio <= (difference ? 2 : 1)))
    outOfRange(errors,
               "ratio",
               "Ratio",
               number(r.ratio),
               difference ? "between -2 and 2" : "between 0 and 1");
  checkForm(errors, r.form, false);
  checkOutput(errors, r.form, r.out, r.shardMiB);
  return errors;
}

std::vector<FieldError> validate(const ExtractRequest& r) {
  Errors errors;
  checkModel(errors, r.base, "base", "The base model");
  checkModel(errors, r.tuned, "tuned", "The tuned model");
  checkCheckpoint(errors, r.base.checkpoint, "base.checkpoint");
  checkCheckpoint(errors, r.tuned.checkpoint, "checkpoint");
  if (r.rank < 1 || r.rank > 4096)
    outOfRange(errors, "rank", "Rank", std::to_string(r.rank), "between 1 and 4096");
  if (!(r.alpha >= 0 && r.alpha <= 1e6))
    outOfRange(errors, "alpha", "Alpha", number(r.alpha), "between 0 and 1000000");
  checkForm(errors, r.form, true);
  checkOutput(errors, r.form, r.out, 0);
  return errors;
}

std::vector<FieldError> validate(const BenchRequest& r) {
  Errors errors = sectionRanges(r);
  checkModel(errors, r.model, "model", "The model");
  checkCheckpoint(errors, r.model.checkpoint, "checkpoint");
  if (r.repeats < 1 || r.repeats > 1000)
    outOfRange(errors, "repeats", "Repeats", std::to_string(r.repeats), "between 1 and 1000");
  checkDevice(errors, r.compute);
  return errors;
}

std::vector<FieldError> validate(const Request& request) {
  return std::visit([](const auto& r) { return validate(r); }, request);
}

std::string renderPrompt(std::string_view prompt, const SubjectOptions& subject) {
  if (blank(subject.classWord)) return std::string(prompt);
  const std::pair<std::string_view, std::string> words[] = {
      {"{subject}", subject.token + " " + subject.classWord},
      {"{token}", subject.token},
      {"{class}", subject.classWord}};
  std::string out;
  while (!prompt.empty()) {
    const auto* word =
        std::ranges::find_if(words, [&](const auto& w) { return prompt.starts_with(w.first); });
    if (word == std::end(words)) {
      out += prompt.front();
      prompt.remove_prefix(1);
    } else {
      out += word->second;
      prompt.remove_prefix(word->first.size());
    }
  }
  return out;
}

std::int64_t pictureCount(const GenerateRequest& request) {
  return request.count *
         static_cast<std::int64_t>(std::max<std::size_t>(1, request.prompts.size()));
}

std::int64_t plannedSteps(const TrainRequest& request) {
  const TrainingOptions& t = request.training;
  if (t.steps > 0) return t.steps;
  const auto photos = std::ranges::count(request.photos, false, &Photo::excluded);
  const double perStep = static_cast<double>(std::max<std::int64_t>(1, t.batchSize)) *
                         static_cast<double>(std::max<std::int64_t>(1, t.gradientAccumulation));
  const double steps = std::ceil(t.passesPerPhoto * static_cast<double>(photos) / perStep);
  return static_cast<std::int64_t>(std::clamp(steps, 1.0, 1e9));
}

double effectiveLearningRate(const TrainRequest& request) {
  return request.training.method == Method::Lora ? request.lora.learningRate
                                                 : request.training.learningRate;
}

}  // namespace likeness::api

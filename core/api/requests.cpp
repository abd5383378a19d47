// What makes a request complete and consistent, and the words and numbers that follow from it.
#include "core/api/requests.h"

#include <algorithm>
#include <cmath>

#include "core/api/rules.h"
#include "core/api/subjects.h"

namespace likeness::api {
namespace {

using namespace rules;

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

}  // namespace

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
  checkClassWord(errors, r.subject, "subject.");
  checkClassPrompt(errors, r.subject, "subject.");
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
  const double perStep = static_cast<double>(std::max<std::int64_t>(1, t.batchSize)) *
                         static_cast<double>(std::max<std::int64_t>(1, t.gradientAccumulation));
  const double steps =
      std::ceil(t.passesPerPhoto * static_cast<double>(photoCount(request)) / perStep);
  return static_cast<std::int64_t>(std::clamp(steps, 1.0, 1e9));
}

double effectiveLearningRate(const TrainRequest& request) {
  switch (request.training.method) {
    case Method::Full:
      return request.training.learningRate;
    case Method::Lora:
      return request.lora.learningRate;
    case Method::TextualInversion:
      return request.embedding.learningRate;
  }
  return 0;
}

}  // namespace likeness::api

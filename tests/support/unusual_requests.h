// Requests in which no member has its default value, by the field tables where there are some: what
// is written and read again must not lose one of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/api/requests.h"

namespace likeness::support {

/// Gives every row of its table another value that its limits allow.
template <class S>
void spoil(S& options) {
  int i = 0;
  for (const api::Field<S>& row : api::fields<S>()) {
    ++i;
    const api::FieldValue value = row.get(options);
    if (const auto* b = std::get_if<bool>(&value)) row.set(options, !*b);
    if (const auto* n = std::get_if<std::int64_t>(&value))
      row.set(options, static_cast<double>(*n) < row.max ? *n + 1 : *n - 1);
    if (const auto* d = std::get_if<double>(&value))
      row.set(options, std::min(row.max, *d / 3 + row.min + 1e-7));
    if (const auto* s = std::get_if<std::string>(&value))
      row.set(options,
              row.choices.empty() ? *s + " 'x' " + std::to_string(i)
                                  : std::string(row.choices.back() == *s ? row.choices.front()
                                                                         : row.choices.back()));
    if (std::get_if<std::vector<std::string>>(&value))
      row.set(options, std::vector<std::string>{"true", "1", "a, b", ""});
  }
}

inline api::TrainRequest unusualTraining() {
  api::TrainRequest r;
  r.base = {"models/sd15", "320", "abc123"};
  r.photos = {{"photos/01.jpg",
               "a photo of {subject}: \"close\" # no comment",
               api::CropRect{0.125, 0, 1.0 / 3, 0.5},
               false},
              {"photos/für élise: 2.png", "", {}, true},
              {"- [x] {y}.jpg", "line one\nline two\ttab", {}, false, "masks/y: 1.png", 7}};
  api::forEachSection(r, [](const char*, auto& options) { spoil(options); });
  for (int n = 0; n < 2; ++n) {
    api::FurtherSubject& further = r.furtherSubjects.emplace_back();
    spoil(further.subject);
    further.classFolder = n == 0 ? "cats: all" : "";
    if (n == 0) further.photos = r.photos;
  }
  r.runFolder = "runs/0001";
  r.classImageFolder = "class images";
  r.cacheFolder = "/absolute/cache";
  r.resume = true;
  return r;
}

/// One of each kind, in the order of api::Request.
inline std::vector<api::Request> unusualRequests() {
  const api::ModelRef model{
      "models/sd \"15\"", "best", "abc", "vae.safetensors", api::PredictionChoice::VPrediction};
  const api::ModelRef other{"b", "7", "def", "w", api::PredictionChoice::Sample};
  api::TrainRequest train = unusualTraining();
  train.base = model;
  api::GenerateRequest generate;
  spoil(generate);
  api::forEachSection(generate, [](const char*, auto& options) { spoil(options); });
  generate.model = model;
  generate.adapters = {{"a.safetensors", 0.8}, {"b.safetensors", -1}};
  generate.outFolder = "out \xff";
  api::ClassImagesRequest classes;
  api::forEachSection(classes, [](const char*, auto& options) { spoil(options); });
  classes.base = model;
  classes.resolution = 512;
  classes.seed = -9007199254740993;
  classes.outFolder = "classes";
  api::ExportRequest exported{
      "runs/0001", "best", api::ExportFormat::PeftLora, api::FileDType::Fp32, "out", {}};
  spoil(exported.compute);
  api::BenchRequest bench{model, 9, {}};
  spoil(bench.compute);
  return {
      train,
      generate,
      classes,
      exported,
      api::ConvertRequest{model, api::ModelForm::Diffusers, api::FileDType::Bf16, 77, "converted"},
      api::MergeRequest{model,
                        other,
                        other,
                        api::MergeMethod::AddDifference,
                        1.0 / 3,
                        api::ModelForm::Diffusers,
                        api::FileDType::Fp32,
                        0,
                        "merged"},
      api::ExtractRequest{
          model, other, 7, 1.5, api::ModelForm::PeftLora, api::FileDType::Bf16, "lora"},
      bench};
}

}  // namespace likeness::support

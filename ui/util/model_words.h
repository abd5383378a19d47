// What the report on a model file means for a person: what it is in one sentence, what it is good
// for, and where in the window it belongs.
#pragma once

#include <QString>

#include "core/api/workspace.h"

namespace likeness::ui {

class ModelWords {
 public:
  /// "Starter model", "v1-5-pruned.safetensors"; `base` as in api::ModelRef.
  static QString name(const QString& base);
  /// "A Stable Diffusion XL checkpoint in one file, 6.5 GiB, half precision."
  static QString sentence(const api::ModelReport& report);
  /// What it is good for; empty for what the window has no place for.
  static QString place(api::ModelType type);
  /// "half precision (F16)", "half precision (F16), some full precision (F32)"
  static QString numbers(const std::string& dtype);
  /// "v-prediction (velocity)"; empty for Auto.
  static QString prediction(api::PredictionChoice prediction);
  /// What was chosen for a model beside its file: "With v-prediction (velocity),
  /// autoencoder x.safetensors"; empty = nothing.
  static QString choices(const api::ModelRef& model);
  /// "2.57 billion", "86.0 million", "768"
  static QString count(std::int64_t parameters);
};

/// By name alone, so that a drop can be answered at once: a file with weights in it, a diffusers
/// folder or a run.
bool isModelPath(const QString& path);

}  // namespace likeness::ui

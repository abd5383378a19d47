// The rules that requests share.
#include "core/api/rules.h"

#include <charconv>
#include <cstdio>

namespace likeness::api::rules {
namespace {

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

}  // namespace

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

void checkClassWord(Errors& errors, const SubjectOptions& subject, const std::string& prefix) {
  if (blank(subject.classWord))
    missing(errors,
            prefix + "class",
            "The class word",
            "Say what kind of thing the subject is in one everyday word, such as dog or toy");
}

void checkClassPrompt(Errors& errors, const SubjectOptions& subject, const std::string& prefix) {
  if (blank(subject.classPrompt))
    missing(errors,
            prefix + "classPrompt",
            "The class caption",
            "Write for example: a photo of {class}");
  else if (subject.classPrompt.find("{subject}") != std::string::npos ||
           subject.classPrompt.find("{token}") != std::string::npos)
    contradiction(
        errors,
        prefix + "classPrompt",
        "The class caption names the subject itself, so its class could not be kept apart",
        "Use {class} in it, as in: a photo of {class}");
}

}  // namespace likeness::api::rules

// The request that a picture carries: complete JSON, and the text that other programs read.
#include <charconv>

#include "core/config/json_members.h"

namespace likeness::config {
using api::ErrorCode;
using api::fail;
using api::Result;

namespace {

/// As the web UI writes texts that its own list of settings could not hold.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",:\n") == std::string::npos) return text;
  return textOf(text);
}

std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

std::string toJson(const api::GenerateRequest& request) {
  Json out = Json::object();
  out["schemaVersion"] = kSchemaVersion;
  out.update(jsonOf(request));
  // Paths may hold bytes that are no UTF-8; the picture matters more than they do.
  return textOf(out);
}

Result<api::GenerateRequest> generateRequestFromJson(const std::string& text,
                                                     const std::string& fileName) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  Json parsed =
      text.size() > kMaxBytes ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
  if (parsed.is_discarded())
    return fail(ErrorCode::FileUnreadable,
                {{"file", fileName}, {"reason", "its request is not JSON"}});
  std::optional<api::Error> error;
  api::GenerateRequest request;
  JsonReader root(std::move(parsed), "", fileName, error);
  double version = kSchemaVersion;
  root("schemaVersion", version);
  if (!error && version > kSchemaVersion)
    return fail(ErrorCode::NewerSchema, {{"file", fileName}, {"version", shortest(version)}});
  members(root, request);
  root.end();
  if (error) return fail(*error);
  if (const auto broken = api::validate(request); !broken.empty()) {
    api::Error first = broken.front().error;
    first.context.emplace_back("file", fileName);
    return fail(std::move(first));
  }
  return request;
}

std::string a1111Parameters(const api::GenerateRequest& request, std::int64_t seed) {
  const api::SamplingOptions& s = request.sampling;
  std::string out = api::renderPrompt(request.prompt, request.subject);
  for (const std::string& line : request.prompts)
    out += (out.empty() ? "" : "\n") + api::renderPrompt(line, request.subject);
  if (!request.negativePrompt.empty())
    out += "\nNegative prompt: " + api::renderPrompt(request.negativePrompt, request.subject);
  out += "\nSteps: " + std::to_string(s.steps);
  out.append(", Sampler: ").append(api::samplerInfo(s.sampler).label);
  if (s.karras) out += ", Schedule type: Karras";
  if (s.exponential) out += ", Schedule type: Exponential";
  out += ", CFG scale: " + shortest(s.guidance) + ", Seed: " + std::to_string(seed);
  if (request.width > 0)
    out += ", Size: " + std::to_string(request.width) + "x" + std::to_string(request.height);
  if (s.eta > 0) out += ", Eta: " + shortest(s.eta);
  if (s.guidanceRescale > 0) out += ", CFG Rescale phi: " + shortest(s.guidanceRescale);
  if (!request.image.empty()) out += ", Denoising strength: " + shortest(request.strength);
  if (request.hiresScale > 1)
    out +=
        (request.image.empty() ? ", Denoising strength: " + shortest(request.hiresStrength) : "") +
        ", Hires upscale: " + shortest(request.hiresScale) + ", Hires upscaler: Lanczos";
  if (s.clipSkip > 1) out += ", Clip skip: " + std::to_string(s.clipSkip);
  if (request.promptSyntax == api::PromptSyntax::Plain) out += ", Emphasis: None";
  if (!request.promptTemplate.empty()) out += ", Template: " + quoted(request.promptTemplate);
  if (!request.negativeTemplate.empty())
    out += ", Negative Template: " + quoted(request.negativeTemplate);
  out += ", Model: " + std::filesystem::path(request.model.path).stem().string();
  return out + ", Version: Likeness";
}

}  // namespace likeness::config

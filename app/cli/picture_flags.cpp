#include "app/cli/picture_flags.h"

namespace likeness::cli {

using namespace api;
namespace fs = std::filesystem;

namespace {

tl::unexpected<Error> usage(std::string reason) {
  return fail(ErrorCode::BadUsage, {{"reason", std::move(reason)}});
}

/// "128x96" or "128"
Result<void> parseSize(const std::string& text, GenerateRequest& request) {
  if (text.empty()) return {};
  const auto cross = text.find('x');
  const std::string_view width = std::string_view(text).substr(0, cross);
  const std::string_view height =
      cross == std::string::npos ? width : std::string_view(text).substr(cross + 1);
  if (!parseWhole(width, request.width) || !parseWhole(height, request.height))
    return usage("--size takes WIDTHxHEIGHT in pixels, such as 512x512, not '" + text + "'");
  return {};
}

/// "FILE" or "FILE:STRENGTH"; a file whose own name ends like a strength wins.
AdapterRef parseAdapter(const std::string& text) {
  const auto colon = text.rfind(':');
  double strength = 1;
  std::error_code error;
  if (colon != std::string::npos && !fs::exists(text, error) &&
      parseWhole(std::string_view(text).substr(colon + 1), strength))
    return {text.substr(0, colon), strength};
  return {text, 1};
}

}  // namespace

PictureFlags::PictureFlags(CLI::App& app,
                           GenerateRequest& request,
                           std::vector<std::string_view> leftOut)
    : m_flags(app) {
  app.add_option("--checkpoint",
                 request.model.checkpoint,
                 "Of a run: latest, best (by the probes) or a step number")
      ->type_name("latest|best|N")
      ->default_str(request.model.checkpoint);
  app.add_option("--adapter",
                 m_adapters,
                 "LoRA file (kohya or PEFT), with its strength after a colon; may be repeated")
      ->type_name("FILE[:STRENGTH]")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--size", m_size, "Pixels, multiples of 8; without it what the model was made for")
      ->type_name("WxH");
  leftOut.insert(
      leftOut.end(),
      {"width", "height", "previewEvery", "prompts", "promptTemplate", "negativeTemplate"});
  m_flags.add("picture", request, leftOut);
  m_flags.add("sampling", request.sampling);
  m_flags.add("compute", request.compute);
  m_flags.add("subject", request.subject, {"subjectName", "subjectPrompt", "classPrompt"});
}

Result<void> PictureFlags::apply(GenerateRequest& request) const {
  if (const auto size = parseSize(m_size, request); !size) return size;
  for (const auto& text : m_adapters) request.adapters.push_back(parseAdapter(text));
  for (const auto& applied : {m_flags.apply("picture", request),
                              m_flags.apply("subject", request.subject),
                              m_flags.apply("sampling", request.sampling),
                              m_flags.apply("compute", request.compute)})
    if (!applied) return applied;
  return {};
}

}  // namespace likeness::cli

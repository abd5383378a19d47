// YAML of any bytes changes a request, or is an error that leaves it as it was.
#include <cstdlib>

#include "core/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  likeness::api::TrainRequest request;
  const auto applied = likeness::config::applyYaml(request, text, "recipe.yaml");
  if (!applied && request != likeness::api::TrainRequest{}) std::abort();
  if (!applied && likeness::api::message(applied.error()).empty()) std::abort();
  if (!applied) return 0;
  // What was read can be written, and read again as the same; bytes that are no UTF-8 become
  // U+FFFD.
  const std::string written = likeness::config::toYaml(request);
  likeness::api::TrainRequest again;
  if (!likeness::config::applyYaml(again, written, "again.yaml")) std::abort();
  if (again != request && written.find("\xEF\xBF\xBD") == std::string::npos) std::abort();
  return 0;
}

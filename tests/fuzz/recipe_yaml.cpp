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
  // What was read can be written, and read again as the same.
  likeness::api::TrainRequest again;
  if (!likeness::config::applyYaml(again, likeness::config::toYaml(request), "again.yaml") ||
      again != request)
    std::abort();
  return 0;
}

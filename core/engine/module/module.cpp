// The one symbol of the engine module; programs find it with dlsym (app/engine_loader).
#include "core/base/log.h"
#include "core/engine/compute_engine.h"
#include "core/tensor/host_memory.h"

extern "C" __attribute__((visibility("default"))) likeness::api::Engine* likeness_make_engine(
    const likeness::api::EngineOptions& options) {
  // The module has its own copy of `base`, so its log must be led to the program's.
  if (options.log)
    likeness::base::setLogReceiver(
        [log = options.log](likeness::base::LogLevel level, std::string_view message) {
          log(static_cast<int>(level), message);
        });
  likeness::tensor::keepHostMemory();
  return new likeness::engine::ComputeEngine(options, likeness::engine::runJob);
}

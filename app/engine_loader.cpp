#include "app/engine_loader.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace likeness::app {
namespace {

constexpr const char* kModuleName = "liblikeness_engine.so";

// The module's own libraries come before the program's: OpenCV brings the reference BLAS with it,
// and LibTorch must find its MKL behind sgemm_, not that (4 times slower pictures). Sanitizers
// refuse the flag.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kLoadMode = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kLoadMode = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

std::vector<std::filesystem::path> candidates() {
  if (const char* chosen = std::getenv("LIKENESS_ENGINE"); chosen && *chosen) return {chosen};
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto lib = program.parent_path().parent_path() / "lib";
  return {lib / kModuleName, lib / "likeness" / kModuleName, program.parent_path() / kModuleName};
}

}  // namespace

void spinBriefly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  setenv("GOMP_SPINCOUNT", "10000", 0);
  if (!dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD)) return;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) execv(program.c_str(), argv);
}

api::Result<std::unique_ptr<api::Engine>> loadEngine(const api::EngineOptions& options) {
  std::string searched;
  for (const auto& file : candidates()) {
    std::error_code error;
    if (!std::filesystem::exists(file, error)) {
      searched += (searched.empty() ? "" : ", ") + file.string();
      continue;
    }
    void* module = dlopen(file.c_str(), kLoadMode);
    if (!module) return api::fail(api::ErrorCode::EngineMissing, {{"reason", dlerror()}});
    const auto make = reinterpret_cast<api::MakeEngine>(dlsym(module, "likeness_make_engine"));
    if (!make)
      return api::fail(api::ErrorCode::EngineMissing,
                       {{"reason", file.string() + " is not an engine of Likeness"}});
    return std::unique_ptr<api::Engine>(make(options));
  }
  return api::fail(api::ErrorCode::EngineMissing, {{"reason", "no file " + searched}});
}

}  // namespace likeness::app

// An engine module whose jobs do what their prompt says, for tests of the process around it.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include "tests/support/fake_engine.h"

namespace likeness {
namespace {

using namespace api;

class ActingEngine : public support::FakeEngine {
 public:
  Result<JobHandle> submit(Request request) override {
    const auto* generate = std::get_if<GenerateRequest>(&request);
    const std::string act = generate ? generate->prompt : "wait";
    auto handle = FakeEngine::submit(std::move(request));
    if (!handle) return handle;
    if (act == "pictures") {
      scriptGeneration(handle->id);
      playToEnd(handle->id);
      return handle;
    }
    emit(handle->id, JobStarted{});
    if (act == "segfault") {
      std::signal(SIGSEGV, SIG_DFL);  // a sanitizer has its own
      std::raise(SIGSEGV);
    }
    if (act == "exit") ::_exit(3);
    if (act == "throw") throw std::bad_alloc();
    if (act == "garbage" && ::write(3, "\xff\xff\xff\xff", 4) != 4) std::abort();
    return handle;  // and under way until the process ends
  }
};

std::string openDescriptors() {
  std::string all;
  const std::filesystem::path self = "/proc/self/fd";
  for (const auto& entry : std::filesystem::directory_iterator(self)) {
    std::error_code gone;  // that of the listing itself
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!gone && !target.ends_with("/fd"))
      all += entry.path().filename().string() + "=" + target + " ";
  }
  return all;
}

}  // namespace
}  // namespace likeness

extern "C" __attribute__((visibility("default"))) likeness::api::Engine* likeness_make_engine(
    const likeness::api::EngineOptions& options) {
  options.log(2, "open: " + likeness::openDescriptors());
  options.log(
      3,
      "resources " + options.resources.string() + ", niceness " + std::to_string(options.niceness));
  return new likeness::ActingEngine;
}

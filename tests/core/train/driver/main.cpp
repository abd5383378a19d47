// Trains or resumes the tiny model of kill_test.cpp: MODEL PHOTO_FOLDER RUN_FOLDER lora|full. Three
// more make it a rank of ranks_test.cpp: BATCH_SIZE STEPS SAMPLES.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/base/file_system.h"
#include "core/base/reporter.h"
#include "core/train/train.h"
#include "tests/core/train/driver/recipe.h"

namespace {

class Silent : public likeness::base::Reporter {
 public:
  void stage(likeness::api::Stage) override {}
  void progress(const likeness::api::Progress&) override {}
  void picture(const likeness::api::PictureReady&) override {}
  void metric(const likeness::api::MetricSample&) override {}
  void checkpoint(const likeness::api::CheckpointSaved&) override {}
  void warning(const likeness::api::Error& error) override {
    std::fprintf(stderr, "%s\n", likeness::api::message(error).c_str());
  }
  std::stop_token stop() const override { return {}; }
  bool takeCheckpointRequest() override { return false; }
  bool takeSampleRequest() override { return false; }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 && argc != 8) return 2;
  auto request = likeness::train::test::jobRequest(argv[1], argv[2], argv[3]);
  likeness::api::parseEnum(std::string_view(argv[4]), request.training.method);
  request.resume = true;
  if (argc == 8) {
    request.training.batchSize = std::atoll(argv[5]);
    request.training.steps = std::atoll(argv[6]);
    request.watch.samplePrompts.clear();
    for (int i = 0; i < std::atoi(argv[7]); ++i)
      request.watch.samplePrompts.push_back("{subject} number " + std::to_string(i));
    // AdamW makes steps of this size from gradients that are nothing but rounding.
    request.training.learningRate = request.lora.learningRate = 1e-5;
  }
  Silent reporter;
  const auto result = likeness::train::train(request, likeness::base::findResources(), reporter);
  if (result) return 0;
  std::fprintf(stderr,
               "%s %s\n",
               likeness::api::message(result.error()).c_str(),
               result.error().detail.c_str());
  return 1;
}

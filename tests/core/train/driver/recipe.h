// The request that tests and the driver program share.
#pragma once

#include <algorithm>
#include <filesystem>

#include "core/api/requests.h"

namespace likeness::train::test {

inline constexpr std::int64_t kJobSteps = 12, kJobCheckpointEvery = 3;

/// A short job on the tiny model with everything in it: class pictures, samples, probes,
/// checkpoints.
inline api::TrainRequest jobRequest(const std::filesystem::path& model,
                                    const std::filesystem::path& photoFolder,
                                    const std::filesystem::path& runFolder) {
  api::TrainRequest request;
  request.base.path = model.string();
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(photoFolder))
    files.push_back(entry.path());
  std::ranges::sort(files);
  for (const auto& file : files) request.photos.push_back({file, "", {}, false});
  request.subject.classWord = "toy";
  request.training.steps = kJobSteps;
  request.training.learningRate = request.lora.learningRate = 1e-3;
  request.training.flip = true;
  request.lora.rank = 2;
  request.prior.classImages = 2;
  request.prior.sampling.steps = 2;
  request.watch.samplePrompts = {"{subject} on the beach"};
  request.watch.sampling.steps = 2;
  request.watch.sampleEvery = 6;
  request.watch.probeEvery = 4;
  request.checkpoints.every = kJobCheckpointEvery;
  request.compute.threads = 1;
  request.compute.dtype = api::DType::Fp32;
  request.runFolder = runFolder;
  return request;
}

}  // namespace likeness::train::test

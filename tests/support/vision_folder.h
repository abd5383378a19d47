// Models that judge pictures, as folders of Hugging Face's form.
#pragma once

#include <gtest/gtest.h>

#include "core/base/file_system.h"
#include "core/tensor/state_dict.h"
#include "core/weights/safetensors.h"
#include "tests/support/temp_folder.h"

namespace likeness::support {

inline constexpr const char* kGoldenVision = "tests/golden/networks/vision.safetensors";

/// An entry that make_vision_golden.py put into the file's metadata.
inline std::string visionMeta(const std::string& key) {
  return weights::SafetensorsFile::open(kGoldenVision).value().metadata().at(key);
}

/// The recorded model of `kind`, "clip" or "vit" (DINO), with the starter's tokenizer in a new
/// folder.
inline std::filesystem::path writeVisionModel(const std::string& kind,
                                              const std::filesystem::path& folder) {
  std::filesystem::copy(base::findResources() / "starter" / "tokenizer", folder);
  const auto golden = tensor::loadSafetensors(kGoldenVision);
  EXPECT_TRUE(golden);
  tensor::StateDict tensors;
  for (const auto& [key, value] : *golden)
    if (key.starts_with(kind + "/")) tensors.emplace(key.substr(kind.size() + 1), value);
  EXPECT_TRUE(tensor::saveSafetensors(folder / "model.safetensors", tensors, {}));
  put(folder / "config.json", visionMeta(kind + ".json"));
  return folder;
}

}  // namespace likeness::support

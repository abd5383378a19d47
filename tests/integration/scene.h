// A temporary folder with photos, model folders and projects, good and bad, for the tests of this
// folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace likeness::integration {

namespace fs = std::filesystem;

/// The starter model as every test uses it: absolute, since programs run in other folders.
fs::path starter();

void writeText(const fs::path& file, const std::string& text);
std::string readText(const fs::path& file);
/// A picture with structure: no check calls it blurred, dark or a duplicate of another `shade`.
void writePhoto(const fs::path& file, int shade, int side = 96);
void writeJpeg(const fs::path& file, int shade, int side = 96);

/// A fresh folder per test, removed afterwards.
class Scene : public testing::Test {
 protected:
  Scene();
  ~Scene() override;
  fs::path at(const std::string& name) const { return m_folder / name; }
  /// A folder of `count` photos.
  fs::path photos(int count = 3, const std::string& name = "photos") const;
  /// A copy of the starter whose files may be changed.
  fs::path modelCopy(const std::string& name = "model") const;
  /// Flags of a training that takes seconds.
  std::vector<std::string> training(const fs::path& photos,
                                    const fs::path& out,
                                    int steps,
                                    std::vector<std::string> more = {}) const;

 private:
  fs::path m_folder;
};

/// The failure with this code: a sentence and a hint on standard error, the error object as the
/// last line, the exit code that belongs to it.
void expectError(const Finished& finished, const std::string& code, int exitCode);

}  // namespace likeness::integration

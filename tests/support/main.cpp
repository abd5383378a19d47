// main() of every GoogleTest program: starts in the source folder, with the source tree's
// resources.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);  // remembers the folder it was called in for --gtest_output
  std::filesystem::current_path(LIKENESS_ROOT);
  setenv("LIKENESS_RESOURCES", LIKENESS_ROOT "/resources", 0);
  setenv("QT_QPA_PLATFORM", "offscreen", 0);
  return RUN_ALL_TESTS();
}

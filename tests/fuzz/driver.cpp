// main() where libFuzzer is not: feeds the seeds and a fixed number of fixed mutations of them, so
// that every test run meets hostile bytes. The input that ends the program badly is left in
// crash.bin.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

Bytes current;

void keepInput(int signal) {
  const int file = ::open("crash.bin", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  [[maybe_unused]] const auto written = ::write(file, current.data(), current.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void feed(Bytes input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(current.data(), current.size());
}

std::vector<Bytes> readSeeds(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Bytes> seeds;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

Bytes mutate(Bytes bytes, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return n ? random() % n : 0; };
  constexpr std::uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '[', '\\', '-', '\n', ':'};
  for (std::size_t change = 0; change <= below(6); ++change) {
    const auto at = static_cast<std::ptrdiff_t>(below(bytes.size() + 1));
    const auto length = static_cast<std::ptrdiff_t>(
        std::min<std::size_t>(below(32), bytes.size() - static_cast<std::size_t>(at)));
    switch (below(5)) {
      case 0:
        if (static_cast<std::size_t>(at) < bytes.size())
          bytes[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        bytes.insert(bytes.begin() + at, kTelling[below(std::size(kTelling))]);
        break;
      case 2:
        bytes.erase(bytes.begin() + at, bytes.begin() + at + length);
        break;
      case 3: {
        const Bytes piece(bytes.begin() + at, bytes.begin() + at + length);
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                     piece.begin(),
                     piece.end());
        break;
      }
      default:
        if (below(8) == 0) bytes.resize(static_cast<std::size_t>(at));
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s SEED_FOLDER MUTATIONS\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL})
    std::signal(signal, keepInput);
  const auto seeds = readSeeds(argv[1]);
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds in %s\n", argv[1]);
    return 2;
  }
  for (const auto& seed : seeds) feed(seed);
  std::mt19937 random(1);
  const int mutations = std::atoi(argv[2]);
  for (int i = 0; i < mutations; ++i) feed(mutate(seeds[random() % seeds.size()], random));
  std::printf("%zu seeds and %d mutations survived\n", seeds.size(), mutations);
}

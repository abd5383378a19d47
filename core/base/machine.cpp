// From /proc and the control group.
#include "core/base/machine.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace likeness::base {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

/// The number in a file that holds just one; empty for "max" or no file.
std::optional<std::int64_t> numberIn(const std::string& file) {
  std::ifstream in(file);
  std::int64_t value = 0;
  if (in >> value) return value;
  return {};
}

/// A "Name:   123 kB" line of /proc, in MiB.
std::int64_t procMiB(const std::string& file, const std::string& name) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::int64_t kib = 0;
    if (word == name + ":" && in >> kib) return kib / 1024;
  }
  return 0;
}

/// What the control group (container) leaves; version 2 first, then version 1.
std::int64_t cgroupFreeMiB() {
  const std::pair<const char*, const char*> files[] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
       "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
  for (const auto& [limitFile, usedFile] : files) {
    const auto limit = numberIn(limitFile), used = numberIn(usedFile);
    if (limit && used) return std::max<std::int64_t>(0, *limit - *used) / kMiB;
  }
  return std::numeric_limits<std::int64_t>::max();
}

/// What follows "name   : " in /proc/cpuinfo, of the first processor.
std::string cpuInfo(const std::string& name) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (line.starts_with(name) && colon != std::string::npos)
      return line.substr(std::min(line.size(), colon + 2));
  }
  return {};
}

}  // namespace

std::int64_t availableMemoryMiB() {
  return std::min(procMiB("/proc/meminfo", "MemAvailable"), cgroupFreeMiB());
}
std::int64_t totalMemoryMiB() { return procMiB("/proc/meminfo", "MemTotal"); }
std::int64_t rssMiB() { return procMiB("/proc/self/status", "VmRSS"); }
std::int64_t peakRssMiB() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

std::string cpuName() { return cpuInfo("model name"); }

bool cpuHasFastBf16() {
  std::istringstream flags(cpuInfo("flags"));
  for (std::string flag; flags >> flag;)
    if (flag == "avx512_bf16" || flag == "amx_bf16") return true;
  return false;
}

}  // namespace likeness::base

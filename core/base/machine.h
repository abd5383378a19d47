// This machine's memory and processor, as the kernel tells them.
#pragma once

#include <cstdint>
#include <string>

namespace likeness::base {

/// MiB that can be allocated now (what the container leaves, and MemAvailable), and all there are.
std::int64_t availableMemoryMiB();
std::int64_t totalMemoryMiB();
/// This process's resident set in MiB, now and at its peak.
std::int64_t rssMiB();
std::int64_t peakRssMiB();

/// "Intel(R) Xeon(R) ..."; empty where the kernel does not say it.
std::string cpuName();
/// AVX512-BF16 or AMX; without them bf16 falls to loops that are slower than fp32.
bool cpuHasFastBf16();

}  // namespace likeness::base

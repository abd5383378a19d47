// The system calls themselves, each repeated when a signal interrupts it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "core/base/file_system.h"

namespace likeness::base {
namespace {

FileOperations g_realOperations;
std::atomic<FileOperations*> g_operations{&g_realOperations};

/// Runs a call until it is not interrupted; 0 or errno.
template <class Call>
int retried(Call call) {
  for (;;) {
    if (call() >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace

int FileOperations::open(const std::filesystem::path& file, int flags, int& descriptor) {
  return retried([&] { return descriptor = ::open(file.c_str(), flags | O_CLOEXEC, 0666); });
}

int FileOperations::write(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return ENOSPC;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return 0;
}

int FileOperations::sync(int descriptor) {
  return retried([&] { return ::fsync(descriptor); });
}

int FileOperations::close(int descriptor) {
  // Linux frees the descriptor even when it reports EINTR: a second close could hit a stranger's
  // file.
  return ::close(descriptor) == 0 || errno == EINTR ? 0 : errno;
}

int FileOperations::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return retried([&] { return ::rename(from.c_str(), to.c_str()); });
}

int FileOperations::remove(const std::filesystem::path& file) {
  return retried([&] { return std::remove(file.c_str()); });
}

int FileOperations::makeFolder(const std::filesystem::path& folder) {
  return retried([&] { return ::mkdir(folder.c_str(), 0777); });
}

int FileOperations::truncate(const std::filesystem::path& file, std::uint64_t size) {
  return retried([&] { return ::truncate(file.c_str(), static_cast<off_t>(size)); });
}

FileOperations& fileOperations() { return *g_operations.load(); }
void setFileOperations(FileOperations* operations) {
  g_operations = operations ? operations : &g_realOperations;
}

}  // namespace likeness::base

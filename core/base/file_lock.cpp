// One writer per folder, by flock: the system releases it however the process ends.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/base/file_system.h"

namespace likeness::base {

namespace {

/// 0 or errno.
int lockWhole(int descriptor, int operation) {
  while (::flock(descriptor, operation) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

}  // namespace

api::Result<FileLock> FileLock::wait(const std::filesystem::path& file) {
  FileLock lock;
  if (const int error = fileOperations().open(file, O_RDWR | O_CREAT, lock.m_descriptor))
    return api::fail(writeError(error, file));
  if (const int error = lockWhole(lock.m_descriptor, LOCK_EX))
    return api::fail(writeError(error, file));
  return lock;
}

api::Result<FileLock> FileLock::acquire(const std::filesystem::path& file) {
  FileLock lock;
  if (const int error = fileOperations().open(file, O_RDWR | O_CREAT, lock.m_descriptor))
    return api::fail(writeError(error, file));
  const int error = lockWhole(lock.m_descriptor, LOCK_EX | LOCK_NB);
  if (error == EWOULDBLOCK) {
    char owner[80] = {};
    const ssize_t count = ::pread(lock.m_descriptor, owner, sizeof owner - 1, 0);
    return api::fail(api::ErrorCode::ProjectInUse,
                     {{"folder", file.parent_path().string()},
                      {"owner", count > 0 ? std::string(owner) : std::string("unknown process")}});
  }
  if (error) return api::fail(writeError(error, file));
  char host[48] = {};
  ::gethostname(host, sizeof host - 1);
  const std::string owner = "process " + std::to_string(::getpid()) + " on " + host;
  // The owner's name only helps the other program's message; without it the lock holds all the
  // same.
  if (::ftruncate(lock.m_descriptor, 0) == 0)
    (void)fileOperations().write(lock.m_descriptor, std::as_bytes(std::span(owner)));
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept
    : m_descriptor(std::exchange(other.m_descriptor, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(m_descriptor, other.m_descriptor);
  return *this;
}
FileLock::~FileLock() {
  if (m_descriptor >= 0) ::close(m_descriptor);
}

}  // namespace likeness::base

// The one layer that every write passes through. Whole files appear at once or not at all:
// temporary name in the same folder, write, fsync, rename, fsync the folder. Tests install a faulty
// twin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/result.h"

namespace likeness::base {

/// System calls of a write, one by one, so that a twin can fail each of them. Every call returns 0
/// or an errno value.
class FileOperations {
 public:
  virtual ~FileOperations() = default;
  virtual int open(const std::filesystem::path& file,
                   int flags,
                   int& descriptor);  ///< new files: 0666 & ~umask
  virtual int write(int descriptor, std::span<const std::byte> bytes);  ///< all of them
  virtual int sync(int descriptor);
  virtual int close(int descriptor);
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to);
  virtual int remove(const std::filesystem::path& file);  ///< a file or an empty folder
  virtual int makeFolder(const std::filesystem::path& folder);
  virtual int truncate(const std::filesystem::path& file, std::uint64_t size);
};

/// The operations in force; `setFileOperations(nullptr)` restores the real ones. For tests.
FileOperations& fileOperations();
void setFileOperations(FileOperations* operations);

/// A whole file written piece by piece; without commit() the temporary file is removed.
class AtomicFile {
 public:
  static api::Result<AtomicFile> create(const std::filesystem::path& file);
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;
  ~AtomicFile();
  api::Result<void> write(std::span<const std::byte> bytes);
  api::Result<void> write(std::string_view text);
  /// fsync, rename over `file`, fsync the folder.
  api::Result<void> commit();

 private:
  struct State;
  explicit AtomicFile(std::unique_ptr<State> state);
  std::unique_ptr<State> m_state;
};

api::Result<void> writeFile(const std::filesystem::path& file, std::string_view content);
api::Result<void> writeFile(const std::filesystem::path& file, std::span<const std::byte> content);
/// Errors: FileNotFound, FileUnreadable (also larger than `limit` bytes).
api::Result<std::string> readFile(const std::filesystem::path& file,
                                  std::uint64_t limit = 64u << 20);
/// Fills `out` from `offset` of an open file: 0, the errno of the first failing read, or -1 when
/// the file ends early.
int readAt(int descriptor, std::uint64_t offset, std::span<std::byte> out);
/// Creates missing parents too. Errors: FileUnwritable, DiskFull.
api::Result<void> makeFolder(const std::filesystem::path& folder);
/// Publishes a finished folder, or a file that is synced, under its final name: fsyncs both
/// parents. `to` must not exist.
api::Result<void> renameFolder(const std::filesystem::path& from, const std::filesystem::path& to);
api::Result<void> removeAll(const std::filesystem::path& path);
/// Removes files and folders that an interrupted write left behind (our temporary names) directly
/// in `folder`. What belongs to another process that still lives stays. Failures are ignored.
void removeLeftovers(const std::filesystem::path& folder);
/// Name under which AtomicFile and checkpoint writing build things up: ".NAME.likeness-tmp-PID".
std::filesystem::path temporaryName(const std::filesystem::path& file);

/// A log-like file: lines are appended; sync() makes them durable; truncateTo cuts back on resume.
class AppendFile {
 public:
  static api::Result<AppendFile> open(const std::filesystem::path& file);
  AppendFile(AppendFile&&) noexcept;
  AppendFile& operator=(AppendFile&&) noexcept;
  ~AppendFile();
  api::Result<void> append(std::string_view text);
  api::Result<void> sync();

 private:
  AppendFile() = default;
  int m_descriptor = -1;
  std::filesystem::path m_file;
};
api::Result<void> truncateFile(const std::filesystem::path& file, std::uint64_t size);

/// Free bytes for this user on the file system of `path` (or its nearest existing parent).
std::uint64_t freeBytes(const std::filesystem::path& path);
/// The error for an errno value of a write: DiskFull or FileUnwritable with the system's words.
/// Names the final file where `path` is, or lies in, one of our temporary names.
api::Error writeError(int errnoValue, const std::filesystem::path& path);
/// FileUnwritable, for what is never overwritten.
api::Error alreadyThere(const std::filesystem::path& file);

/// Exclusive advisory lock (flock) on a file, released by the destructor or the end of the process.
class FileLock {
 public:
  /// Errors: ProjectInUse with {folder, owner} when another process holds it; FileUnwritable.
  static api::Result<FileLock> acquire(const std::filesystem::path& file);
  /// The same, but waits until whoever holds it lets go; threads of one process wait for each other
  /// too. Errors: FileUnwritable.
  static api::Result<FileLock> wait(const std::filesystem::path& file);
  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;
  ~FileLock();

 private:
  FileLock() = default;
  int m_descriptor = -1;
};

/// $LIKENESS_RESOURCES, else ../share/likeness beside the program, else resources/ of the source
/// tree that the program was built in or from (found by walking up, through the build tree's
/// CMakeCache.txt).
std::filesystem::path findResources();

}  // namespace likeness::base

// Whole files that appear at once, appended files, folders.
#include "core/base/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace likeness::base {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::fail;
using api::Result;

namespace {

constexpr std::string_view kTemporaryMark = ".likeness-tmp-";

fs::path parentOf(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

/// fsync of a folder, which makes the names in it durable.
int syncFolder(const fs::path& folder) {
  int descriptor = -1;
  if (const int error = fileOperations().open(folder, O_RDONLY | O_DIRECTORY, descriptor))
    return error;
  const int error = fileOperations().sync(descriptor);
  fileOperations().close(descriptor);
  // Some network file systems know no fsync of folders; then the rename is as durable as it gets.
  return error == EINVAL || error == ENOTSUP ? 0 : error;
}

/// What is being built up under a temporary name, as a person knows it.
fs::path finalName(const fs::path& path) {
  fs::path out;
  for (const fs::path& part : path) {
    const std::string name = part.string();
    const auto mark = name.find(kTemporaryMark);
    out /= mark == std::string::npos ? name : name.substr(1, mark - 1);
  }
  return out;
}

Result<void> done(int error, const fs::path& file) {
  if (error) return fail(writeError(error, file));
  return {};
}

}  // namespace

// ---- whole files

struct AtomicFile::State {
  fs::path file, temporary;
  int descriptor = -1;

  ~State() {
    if (descriptor >= 0) fileOperations().close(descriptor);
    if (!temporary.empty()) fileOperations().remove(temporary);
  }
};

AtomicFile::AtomicFile(std::unique_ptr<State> state) : m_state(std::move(state)) {}
AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;
AtomicFile& AtomicFile::operator=(AtomicFile&&) noexcept = default;
AtomicFile::~AtomicFile() = default;

Result<AtomicFile> AtomicFile::create(const fs::path& file) {
  auto state = std::make_unique<State>();
  state->file = file;
  const fs::path temporary = temporaryName(file);
  if (const int error =
          fileOperations().open(temporary, O_WRONLY | O_CREAT | O_TRUNC, state->descriptor))
    return fail(writeError(error, file));
  state->temporary = temporary;
  return AtomicFile(std::move(state));
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  return done(fileOperations().write(m_state->descriptor, bytes), m_state->file);
}
Result<void> AtomicFile::write(std::string_view text) {
  return write(std::as_bytes(std::span(text)));
}

Result<void> AtomicFile::commit() {
  FileOperations& operations = fileOperations();
  if (const int error = operations.sync(m_state->descriptor))
    return fail(writeError(error, m_state->file));
  if (const int error = operations.close(std::exchange(m_state->descriptor, -1)))
    return fail(writeError(error, m_state->file));
  if (const int error = operations.rename(m_state->temporary, m_state->file))
    return fail(writeError(error, m_state->file));
  m_state->temporary.clear();
  return done(syncFolder(parentOf(m_state->file)), m_state->file);
}

Result<void> writeFile(const fs::path& file, std::span<const std::byte> content) {
  auto out = AtomicFile::create(file);
  if (!out) return fail(out.error());
  if (auto written = out->write(content); !written) return written;
  return out->commit();
}
Result<void> writeFile(const fs::path& file, std::string_view content) {
  return writeFile(file, std::as_bytes(std::span(content)));
}

Result<std::string> readFile(const fs::path& file, std::uint64_t limit) {
  const auto unreadable = [&](std::string reason) {
    return fail(ErrorCode::FileUnreadable,
                {{"file", file.string()}, {"reason", std::move(reason)}});
  };
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return fail(ErrorCode::FileNotFound, {{"file", file.string()}});
    return unreadable(std::strerror(errno));
  }
  std::string content;
  char buffer[1 << 16];
  std::string reason;
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) reason = errno == EISDIR ? "it is a folder" : std::strerror(errno);
    if (count > 0) content.append(buffer, static_cast<std::size_t>(count));
    if (content.size() > limit) reason = "it is larger than " + std::to_string(limit) + " bytes";
    if (count <= 0 || !reason.empty()) break;
  }
  ::close(descriptor);
  if (!reason.empty()) return unreadable(reason);
  return content;
}

// ---- folders

int readAt(int descriptor, std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return -1;
    out = out.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return 0;
}

Result<void> makeFolder(const fs::path& folder) {
  std::error_code ignored;
  if (folder.empty() || fs::is_directory(folder, ignored)) return {};
  if (const fs::path parent = folder.parent_path(); !parent.empty() && parent != folder)
    if (auto made = makeFolder(parent); !made) return made;
  const int error = fileOperations().makeFolder(folder);
  // Two jobs may make the same folder at the same time; else a file is in the way.
  if (error == EEXIST && fs::is_directory(folder, ignored)) return {};
  return done(error, folder);
}

Result<void> renameFolder(const fs::path& from, const fs::path& to) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(to, ignored))) return fail(writeError(EEXIST, to));
  if (fs::is_directory(from, ignored))
    if (const int error = syncFolder(from)) return fail(writeError(error, from));
  if (const int error = fileOperations().rename(from, to)) return fail(writeError(error, to));
  if (const int error = syncFolder(parentOf(to))) return fail(writeError(error, to));
  if (parentOf(from) == parentOf(to)) return {};
  return done(syncFolder(parentOf(from)), from);
}

Result<void> removeAll(const fs::path& path) {
  std::error_code error;
  const auto status = fs::symlink_status(path, error);
  if (!fs::exists(status)) return {};
  if (fs::is_directory(status)) {
    std::vector<fs::path> entries;
    for (auto entry = fs::directory_iterator(path, error);
         !error && entry != fs::directory_iterator();
         entry.increment(error))
      entries.push_back(entry->path());
    if (error) return fail(writeError(error.value(), path));
    for (const auto& entry : entries)
      if (auto removed = removeAll(entry); !removed) return removed;
  }
  return done(fileOperations().remove(path), path);
}

fs::path temporaryName(const fs::path& file) {
  const fs::path plain = file.has_filename() ? file : file.parent_path();
  return plain.parent_path() / ("." + plain.filename().string() + std::string(kTemporaryMark) +
                                std::to_string(::getpid()));
}

void removeLeftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (auto entry = fs::directory_iterator(folder, error);
       !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const auto mark = name.find(kTemporaryMark);
    if (name.front() != '.' || mark == std::string::npos) continue;
    const int owner = std::atoi(name.c_str() + mark + kTemporaryMark.size());
    const bool alive =
        owner != ::getpid() && owner > 0 && (::kill(owner, 0) == 0 || errno == EPERM);
    if (!alive) leftovers.push_back(entry->path());
  }
  for (const auto& path : leftovers) (void)removeAll(path);
}

// ---- appended files

Result<AppendFile> AppendFile::open(const fs::path& file) {
  AppendFile out;
  out.m_file = file;
  if (const int error =
          fileOperations().open(file, O_WRONLY | O_APPEND | O_CREAT, out.m_descriptor))
    return fail(writeError(error, file));
  return out;
}
AppendFile::AppendFile(AppendFile&& other) noexcept
    : m_descriptor(std::exchange(other.m_descriptor, -1)), m_file(std::move(other.m_file)) {}
AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(m_descriptor, other.m_descriptor);
  std::swap(m_file, other.m_file);
  return *this;
}
AppendFile::~AppendFile() {
  if (m_descriptor >= 0) fileOperations().close(m_descriptor);
}
Result<void> AppendFile::append(std::string_view text) {
  return done(fileOperations().write(m_descriptor, std::as_bytes(std::span(text))), m_file);
}
Result<void> AppendFile::sync() { return done(fileOperations().sync(m_descriptor), m_file); }

Result<void> truncateFile(const fs::path& file, std::uint64_t size) {
  return done(fileOperations().truncate(file, size), file);
}

// ---- space and errors

std::uint64_t freeBytes(const fs::path& path) {
  std::error_code error;
  fs::path existing = fs::absolute(path, error);
  while (!fs::exists(existing, error) && existing != existing.parent_path())
    existing = existing.parent_path();
  struct statvfs info {};
  if (::statvfs(existing.c_str(), &info) != 0) return 0;
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

api::Error alreadyThere(const fs::path& file) {
  return {ErrorCode::FileUnwritable,
          {{"file", file.string()},
           {"reason", "something of that name is there already"},
           {"fix", "Choose another name, or move away what is there"}},
          {}};
}

api::Error writeError(int errnoValue, const fs::path& path) {
  const fs::path file = finalName(path);
  if (errnoValue == ENOSPC || errnoValue == EDQUOT)
    return {ErrorCode::DiskFull,
            {{"file", file.string()}, {"free", std::to_string(freeBytes(file))}},
            std::strerror(errnoValue)};
  if (errnoValue == EEXIST) return alreadyThere(file);
  return {ErrorCode::FileUnwritable,
          {{"file", file.string()}, {"reason", std::strerror(errnoValue)}},
          {}};
}

}  // namespace likeness::base

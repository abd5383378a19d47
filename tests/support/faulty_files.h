// File operations that fail on demand: the n-th write-side call, or every call of one kind.
#pragma once

#include <cerrno>
#include <string>
#include <vector>

#include "core/base/file_system.h"

namespace likeness::support {

/// Installed while it lives. Calls are counted; call number `failAt` (from 0) and, when `sticky`,
/// all later ones return `error`.
class FaultyFiles : public base::FileOperations {
 public:
  explicit FaultyFiles(int failAt, int error = EIO, bool sticky = false)
      : m_failAt(failAt), m_error(error), m_sticky(sticky) {
    base::setFileOperations(this);
  }
  ~FaultyFiles() override { base::setFileOperations(nullptr); }

  int calls() const { return static_cast<int>(m_names.size()); }
  const std::vector<std::string>& names() const { return m_names; }

  int open(const std::filesystem::path& file, int flags, int& descriptor) override {
    return fails("open") ? m_error : FileOperations::open(file, flags, descriptor);
  }
  /// A failing write leaves half of its bytes behind, as a full disk does.
  int write(int descriptor, std::span<const std::byte> bytes) override {
    if (!fails("write")) return FileOperations::write(descriptor, bytes);
    FileOperations::write(descriptor, bytes.first(bytes.size() / 2));
    return m_error;
  }
  int sync(int descriptor) override {
    return fails("sync") ? m_error : FileOperations::sync(descriptor);
  }
  int close(int descriptor) override {
    const bool failing = fails("close");
    const int error = FileOperations::close(descriptor);
    return failing ? m_error : error;
  }
  int rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return fails("rename") ? m_error : FileOperations::rename(from, to);
  }
  int remove(const std::filesystem::path& file) override {
    return fails("remove") ? m_error : FileOperations::remove(file);
  }
  int makeFolder(const std::filesystem::path& folder) override {
    return fails("makeFolder") ? m_error : FileOperations::makeFolder(folder);
  }
  int truncate(const std::filesystem::path& file, std::uint64_t size) override {
    return fails("truncate") ? m_error : FileOperations::truncate(file, size);
  }

 private:
  bool fails(const char* name) {
    const int call = calls();
    m_names.emplace_back(name);
    return call == m_failAt || (m_sticky && call > m_failAt);
  }
  int m_failAt;
  int m_error;
  bool m_sticky;
  std::vector<std::string> m_names;
};

}  // namespace likeness::support

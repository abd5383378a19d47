// The side that trusts nobody: it starts the reader, writes down what comes, and checks it.
#include "core/weights/pickle_copy.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/descriptor.h"
#include "core/base/file_system.h"
#include "core/base/hash.h"
#include "core/base/helper_program.h"
#include "core/base/user_cache.h"
#include "core/weights/pickle_file.h"

namespace likeness::weights {
namespace fs = std::filesystem;
using api::ErrorCode;
using api::Result;
using base::Descriptor;

namespace {

constexpr const char* readerName = "likeness-pickle-reader";
constexpr std::string_view copyEnding = ".safetensors", sourceEnding = ".source";
constexpr std::size_t maxReportBytes = 64u << 10;
constexpr std::size_t maxWordBytes = 400;

api::Error unreadable(const fs::path& file, std::string reason) {
  return {ErrorCode::FileUnreadable, {{"file", file.string()}, {"reason", std::move(reason)}}, {}};
}
api::Error damaged(const fs::path& file, std::string reason) {
  return {ErrorCode::BadModelFile, {{"file", file.string()}, {"reason", std::move(reason)}}, {}};
}

bool hasPickleName(const fs::path& file) {
  std::string extension = file.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  constexpr std::string_view known[] = {".ckpt", ".pt", ".pth", ".bin"};
  return std::ranges::find(known, extension) != std::end(known);
}

// ---- the reader's process

/// A running reader; it does not outlive this object.
class Reader {
 public:
  /// 0 or errno.
  int start(const fs::path& program, int file, const PickleLimits& limits) {
    std::array<int, 2> out{}, report{};
    if (::pipe2(out.data(), O_CLOEXEC) != 0) return errno;
    m_out = Descriptor(out[0]);
    const Descriptor outEnd(out[1]);
    if (::pipe2(report.data(), O_CLOEXEC) != 0) return errno;
    m_report = Descriptor(report[0]);
    const Descriptor reportEnd(report[1]);
    (void)::fcntl(outEnd.number, F_SETPIPE_SZ, 1 << 20);  // fewer turns; any size will do

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, file, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, outEnd.number, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, reportEnd.number, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    std::string seconds = std::to_string(limits.seconds);
    std::string mebibytes = std::to_string(limits.mebibytes);
    std::string name = readerName;
    std::array<char*, 4> arguments{name.data(), seconds.data(), mebibytes.data(), nullptr};
    const int error =
        ::posix_spawn(&m_process, program.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error) m_process = -1;
    return error;
  }
  /// Hands what it writes to `sink` until it has closed both streams, and returns its report.
  /// Nothing when more than `seconds` went by.
  Result<std::optional<std::string>> follow(
      std::uint64_t seconds, const std::function<Result<void>(std::span<const std::byte>)>& sink);
  /// Ends it if it still runs; the status of waitpid, or nothing if the system kept it.
  std::optional<int> end() {
    if (m_process < 0) return {};
    ::kill(m_process, SIGKILL);
    return wait();
  }
  std::optional<int> wait() {
    int status = 0;
    pid_t ended = 0;
    do ended = ::waitpid(m_process, &status, 0);
    while (ended < 0 && errno == EINTR);
    m_process = -1;
    return ended < 0 ? std::nullopt : std::optional(status);
  }
  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { end(); }

 private:
  pid_t m_process = -1;
  Descriptor m_out, m_report;
};

Result<std::optional<std::string>> Reader::follow(
    std::uint64_t seconds, const std::function<Result<void>(std::span<const std::byte>)>& sink) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(seconds);
  std::vector<std::byte> block(1 << 20);
  std::string report;
  while (m_out.number >= 0 || m_report.number >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return std::nullopt;
    std::array<pollfd, 2> streams{pollfd{m_out.number, POLLIN, 0},
                                  pollfd{m_report.number, POLLIN, 0}};
    if (::poll(streams.data(), streams.size(), static_cast<int>(std::min<long>(left, 60'000))) < 0)
      continue;
    for (const auto& [stream, events] :
         {std::pair(&m_out, streams[0].revents), {&m_report, streams[1].revents}}) {
      if (events == 0) continue;
      const ssize_t count = ::read(stream->number, block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        stream->close();
        continue;
      }
      const auto bytes = std::span(block).first(static_cast<std::size_t>(count));
      if (stream == &m_out) {
        if (auto taken = sink(bytes); !taken) return api::fail(taken.error());
      } else if (report.size() + bytes.size() <= maxReportBytes) {
        report.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      }
    }
  }
  return report;
}

/// Words of a process that may have been taken over: short, and without what moves a terminal.
std::string words(const nlohmann::json& report, const char* key) {
  std::string text = report.value(key, nlohmann::json()).is_string() ? report[key] : "";
  if (text.size() > maxWordBytes) text = text.substr(0, maxWordBytes) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  return text;
}

api::Error errorOf(const fs::path& file, const nlohmann::json& report, std::optional<int> status) {
  const std::string code = words(report, "error"), reason = words(report, "reason");
  if (code == api::name(ErrorCode::UnsafeFile))
    return {ErrorCode::UnsafeFile,
            {{"file", file.string()}, {"function", words(report, "function")}},
            {}};
  if (code == api::name(ErrorCode::FileUnreadable)) return unreadable(file, reason);
  if (code == api::name(ErrorCode::BadModelFile)) return damaged(file, reason);
  const int signal = status && WIFSIGNALED(*status) ? WTERMSIG(*status) : 0;
  if (signal == SIGXCPU) return damaged(file, "reading it takes too long");
  if (signal == SIGSYS)
    return damaged(file, "its reader tried what it may not; the file may be made to do harm");
  return damaged(file,
                 "its reader broke down" +
                     (signal ? " (signal " + std::to_string(signal) + ")" : std::string()) +
                     "; the file may be made to do harm");
}

/// Writes the tensors of the opened file to `copy`.
Result<void> convert(const fs::path& file,
                     int descriptor,
                     std::uint64_t fileBytes,
                     const fs::path& copy,
                     PickleLimits limits) {
  const fs::path program = base::helperProgram(readerName);
  if (program.empty())
    return api::fail(ErrorCode::FileUnreadable,
                     {{"file", file.string()},
                      {"reason", std::string("the program ") + readerName + " is missing"},
                      {"fix", "Install Likeness again"}});
  if (limits.seconds == 0) limits.seconds = 60 + fileBytes / (20u << 20);
  auto out = base::AtomicFile::create(copy);
  if (!out) return api::fail(out.error());
  Reader reader;
  if (const int error = reader.start(program, descriptor, limits))
    return api::fail(unreadable(file, std::string("its reader: ") + std::strerror(error)));

  // A header of safetensors has at most 100 MB, and PickleFile promises the rest.
  const std::uint64_t most = 2 * fileBytes + (64u << 20) + 100'000'008;
  std::uint64_t bytes = 0;
  // A slow disk may take its time, a computation not.
  const std::uint64_t patience = 10 * limits.seconds + fileBytes / (1u << 20);
  const auto report =
      reader.follow(patience, [&](std::span<const std::byte> piece) -> Result<void> {
        bytes += piece.size();
        if (bytes > most) return api::fail(damaged(file, "its tensors are far larger than itself"));
        return out->write(piece);
      });
  if (!report) return api::fail(report.error());
  if (!*report) return api::fail(damaged(file, "reading it takes too long"));
  const auto status = reader.wait();
  const auto json = nlohmann::json::parse(**report, nullptr, false);
  const bool whole = json.is_object() && json.contains("bytes") && json["bytes"] == bytes;
  if (!whole)
    return api::fail(errorOf(file, json.is_object() ? json : nlohmann::json::object(), status));
  return out->commit();
}

// ---- the cache

struct Source {
  std::string key;  ///< "size mtime path"
  std::uint64_t bytes = 0;
};

Source sourceOf(const fs::path& file, const struct stat& info) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(file, error);
  return {std::to_string(info.st_size) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
              std::to_string(info.st_mtim.tv_nsec) + " " + (error ? file : whole).string(),
          static_cast<std::uint64_t>(info.st_size)};
}

/// Copies of files that are gone or were changed, and what an interruption left.
void removeStale(const fs::path& folder) {
  base::removeLeftovers(folder);
  std::error_code error;
  std::vector<fs::path> stale;
  for (auto entry = fs::directory_iterator(folder, error);
       !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.extension() != copyEnding) continue;
    const auto key = base::readFile(fs::path(path).replace_extension(sourceEnding), 1 << 16);
    const auto second = key ? key->find(' ', key->find(' ') + 1) : std::string::npos;
    const std::string source = second == std::string::npos ? "" : key->substr(second + 1);
    struct stat info {};
    if (source.empty() || ::stat(source.c_str(), &info) != 0 || sourceOf(source, info).key != *key)
      stale.push_back(path);
  }
  for (const fs::path& path : stale) {
    (void)base::removeAll(fs::path(path).replace_extension(sourceEnding));
    (void)base::removeAll(path);
  }
}

}  // namespace

bool isPickle(const fs::path& file) {
  std::array<char, 16> start{};
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const ssize_t count = opened.number < 0 ? -1 : ::read(opened.number, start.data(), start.size());
  if (count < 0) return false;
  const std::string_view text(start.data(), static_cast<std::size_t>(count));
  return text.starts_with("PK\x03\x04") || text.starts_with(legacyPickleStart) ||
         (hasPickleName(file) && (text.size() < 9 || text[8] != '{'));
}

Result<fs::path> safeCopyOf(const fs::path& file, const PickleLimits& limits) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (opened.number < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return api::fail(ErrorCode::FileNotFound, {{"file", file.string()}});
    return api::fail(unreadable(file, std::strerror(errno)));
  }
  struct stat info {};
  if (::fstat(opened.number, &info) != 0) return api::fail(unreadable(file, std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) return api::fail(unreadable(file, "it is not a regular file"));

  const Source source = sourceOf(file, info);
  const fs::path cache = base::userCacheFolder();
  if (cache.empty())
    return api::fail(ErrorCode::FileUnwritable,
                     {{"file", "The safe copy of " + file.string()},
                      {"reason", "there is no folder for it"},
                      {"fix", "Set HOME or XDG_CACHE_HOME"}});
  const fs::path folder = cache / "weights";
  const std::string name = base::sha256(source.key).substr(0, 32);
  const fs::path copy = folder / (name + std::string(copyEnding));
  const fs::path note = folder / (name + std::string(sourceEnding));  // written last
  const auto isThere = [&] {
    std::error_code error;
    const auto key = base::readFile(note, 1 << 16);
    return key && *key == source.key && fs::exists(copy, error);
  };
  if (isThere()) return copy;
  if (auto made = base::makeFolder(folder); !made) return api::fail(made.error());
  const auto lock = base::FileLock::wait(folder / "lock");
  if (!lock) return api::fail(lock.error());
  if (isThere()) return copy;  // by the one that was waited for
  removeStale(folder);
  if (auto done = convert(file, opened.number, source.bytes, copy, limits); !done)
    return api::fail(done.error());
  if (::fstat(opened.number, &info) != 0 || sourceOf(file, info).key != source.key)
    return api::fail(unreadable(file, "it changed meanwhile"));
  if (const auto checked = SafetensorsFile::open(copy); !checked) {
    (void)base::removeAll(copy);
    return api::fail(damaged(file, "what its reader handed over is damaged"));
  }
  if (auto kept = base::writeFile(note, source.key); !kept) return api::fail(kept.error());
  return copy;
}

Result<SafetensorsFile> openWeights(const fs::path& file) {
  if (!isPickle(file)) return SafetensorsFile::open(file);
  const auto copy = safeCopyOf(file);
  if (!copy) return api::fail(copy.error());
  return SafetensorsFile::open(*copy, file);
}

}  // namespace likeness::weights

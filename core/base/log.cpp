// The only file that sees spdlog.
#include "core/base/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <system_error>

namespace likeness::base {
namespace {

struct Log {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger;
  std::function<void(LogLevel, std::string_view)> receiver;
};
/// Never destroyed: threads may still speak while the program ends.
Log& state() {
  static Log* log = new Log;
  return *log;
}

spdlog::level::level_enum spdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::Trace:
      return spdlog::level::trace;
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Error:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

void log(LogLevel level, std::string_view message) {
  std::shared_ptr<spdlog::logger> logger;
  std::function<void(LogLevel, std::string_view)> receiver;
  {
    const std::lock_guard lock(state().mutex);
    logger = state().logger;
    receiver = state().receiver;
  }
  if (logger)
    logger->log(spdlogLevel(level), spdlog::string_view_t(message.data(), message.size()));
  if (receiver) receiver(level, message);
}

std::filesystem::path startLogging(const std::filesystem::path& folder, bool alsoStandardError) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const auto file = folder / "likeness.log";
  std::vector<spdlog::sink_ptr> sinks;
  if (alsoStandardError) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  try {
    sinks.push_back(
        std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file.string(), 2 << 20, 2));
  } catch (const spdlog::spdlog_ex&) {
    // A log that cannot be written (read-only home) must not keep the program from working.
  }
  auto logger = std::make_shared<spdlog::logger>("likeness", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::trace);
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %P %L %v");
  logger->flush_on(spdlog::level::info);
  const std::lock_guard lock(state().mutex);
  state().logger = std::move(logger);
  return file;
}

void setLogReceiver(std::function<void(LogLevel, std::string_view)> receiver) {
  const std::lock_guard lock(state().mutex);
  state().receiver = std::move(receiver);
}

std::filesystem::path defaultLogFolder() {
  if (const char* folder = std::getenv("XDG_STATE_HOME"); folder && *folder)
    return std::filesystem::path(folder) / "likeness";
  const char* home = std::getenv("HOME");
  const std::filesystem::path base =
      home && *home ? std::filesystem::path(home) : std::filesystem::temp_directory_path();
  return base / ".local/state/likeness";
}

}  // namespace likeness::base

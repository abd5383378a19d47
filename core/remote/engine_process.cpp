#include "core/remote/engine_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "core/remote/channel.h"

namespace likeness::remote {
namespace {

/// How many processes of this machine were ended for want of memory, in whatever container.
std::int64_t endedForMemory() {
  std::ifstream counters("/proc/vmstat");
  std::string name;
  for (std::int64_t value = 0; counters >> name >> value;)
    if (name == "oom_kill") return value;
  return 0;
}

class Process : public EngineHost {
 public:
  Process(pid_t process, std::int64_t endedBefore)
      : m_process(process), m_endedBefore(endedBefore) {}
  ~Process() override {
    if (m_process > 0) end();
  }
  int processId() const override { return m_process; }
  Ending end() override {
    // One that has ended keeps its own status.
    ::kill(m_process, SIGKILL);
    int status = 0;
    while (::waitpid(m_process, &status, 0) < 0 && errno == EINTR) {
    }
    m_process = -1;
    if (!WIFSIGNALED(status)) return {WEXITSTATUS(status), 0, false};
    const int signal = WTERMSIG(status);
    return {0, signal, signal == SIGKILL && endedForMemory() > m_endedBefore};
  }

 private:
  pid_t m_process;
  std::int64_t m_endedBefore;
};

/// What posix_spawn is told.
class SpawnSettings {
 public:
  explicit SpawnSettings(int socket) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, socket, kEngineSocket);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, kEngineSocket + 1);
    ::posix_spawnattr_init(&attributes);
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

}  // namespace

std::string describe(const Ending& ending) {
  if (ending.outOfMemory) return "was ended by the system, because memory ran out";
  return ending.signal ? "was ended by signal " + std::to_string(ending.signal)
                       : "ended with exit code " + std::to_string(ending.exitCode);
}

api::Result<Connection> startEngineProcess(const std::filesystem::path& program) {
  auto sockets = connectedSockets();
  if (!sockets) return api::fail(sockets.error());
  auto& [own, other] = *sockets;
  const SpawnSettings settings(other.number);
  const std::int64_t endedBefore = endedForMemory();
  std::string name = program.filename().string();
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t process = -1;
  if (const int error = ::posix_spawn(&process,
                                      program.c_str(),
                                      &settings.actions,
                                      &settings.attributes,
                                      arguments.data(),
                                      environ))
    return api::fail(api::ErrorCode::EngineMissing,
                     {{"reason", program.string() + ": " + std::strerror(error)}});
  return Connection{std::move(own), std::make_unique<Process>(process, endedBefore)};
}

}  // namespace likeness::remote

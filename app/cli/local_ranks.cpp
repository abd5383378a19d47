#include "app/cli/local_ranks.h"

#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace likeness::cli {
namespace {

constexpr int kStopped = 130;

/// A port of this machine that nobody listens on; 0 = none.
std::uint16_t freePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      ::bind(socket, generic, sizeof address) == 0 && ::getsockname(socket, generic, &size) == 0;
  ::close(socket);
  return found ? ntohs(address.sin_port) : 0;
}

/// What this program was called with.
std::vector<std::string> ownArguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

/// The signals that are waited for in place of being delivered.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigemptyset(&m_waited);
    for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&m_waited, signal);
    sigprocmask(SIG_BLOCK, &m_waited, &m_before);
  }
  ~BlockedSignals() { restore(); }
  void restore() const { sigprocmask(SIG_SETMASK, &m_before, nullptr); }
  int next() const { return sigwaitinfo(&m_waited, nullptr); }

 private:
  sigset_t m_waited{}, m_before{};
};

[[noreturn]] void becomeRank(std::int64_t rank,
                             std::int64_t count,
                             std::uint16_t port,
                             std::vector<std::string> arguments,
                             const BlockedSignals& signals,
                             pid_t parent) {
  const std::string number = std::to_string(rank), size = std::to_string(count);
  for (const auto& [name, value] : {std::pair("RANK", number),
                                    std::pair("LOCAL_RANK", number),
                                    std::pair("WORLD_SIZE", size),
                                    std::pair("LOCAL_WORLD_SIZE", size),
                                    std::pair("MASTER_ADDR", std::string("127.0.0.1")),
                                    std::pair("MASTER_PORT", std::to_string(port))})
    ::setenv(name, value.c_str(), 1);
  // Out of the terminal's group: a key that is pressed comes through the parent, once. A parent
  // that is killed asks them to stop.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  signals.restore();
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (::getppid() == parent) ::execv("/proc/self/exe", argv.data());
  ::_exit(127);
}

void signalAll(const std::map<pid_t, std::int64_t>& ranks, int signal) {
  for (const auto& [pid, rank] : ranks) ::kill(pid, signal);
}

}  // namespace

api::Result<int> runLocalRanks(std::int64_t count) {
  const std::uint16_t port = freePort();
  const std::vector<std::string> arguments = ownArguments();
  if (port == 0 || arguments.empty())
    return api::fail(api::ErrorCode::Internal, {}, "no free port, or no /proc");
  const BlockedSignals signals;
  std::map<pid_t, std::int64_t> running;
  const pid_t parent = ::getpid();
  for (std::int64_t rank = 0; rank < count; ++rank) {
    const pid_t pid = ::fork();
    if (pid == 0) becomeRank(rank, count, port, arguments, signals, parent);
    if (pid < 0) {
      signalAll(running, SIGKILL);
      while (::wait(nullptr) > 0) {
      }
      return api::fail(api::ErrorCode::Internal, {}, "fork");
    }
    running[pid] = rank;
  }

  int first = 0;
  bool lost = false;
  while (!running.empty()) {
    if (const int signal = signals.next(); signal != SIGCHLD) {
      if (signal > 0) signalAll(running, signal);
      continue;
    }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto found = running.find(pid);
      if (found == running.end()) continue;
      const bool isFirst = found->second == 0;
      if (isFirst) first = status;
      running.erase(found);
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
      if (code == 0 || code == kStopped || lost) continue;
      // Without the first nothing is kept, and the others may still be looking for it.
      lost = true;
      signalAll(running, isFirst ? SIGKILL : SIGTERM);
    }
  }
  if (WIFSIGNALED(first))
    return api::fail(api::ErrorCode::DeviceMissing,
                     {{"lost", "was ended by signal " + std::to_string(WTERMSIG(first))},
                      {"fix", "Add --resume to continue from its last checkpoint"}});
  return WEXITSTATUS(first);
}

}  // namespace likeness::cli

#include "tests/integration/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace likeness::integration {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void becomeProgram(const std::vector<std::string>& arguments,
                                const RunOptions& options,
                                const fs::path& program) {
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
  if (options.fileSizeLimit > 0) {
    const rlimit limit{options.fileSizeLimit, options.fileSizeLimit};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  for (std::string variable : options.environment) {
    const auto equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  _exit(127);
}

/// Appends what is there; false at the end of the stream.
bool drain(int descriptor, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t n = read(descriptor, buffer.data(), buffer.size());
  if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0;
}

}  // namespace

nlohmann::json Finished::json() const {
  std::string text = out;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return nlohmann::json::parse(text.substr(text.rfind('\n') + 1), nullptr, false);
}

Finished cli(const std::vector<std::string>& arguments, const RunOptions& options) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path() / "likeness-cli";
  std::array<int, 2> out{}, err{};
  if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("pipe");
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    becomeProgram(arguments, options, program);
  }
  close(out[1]);
  close(err[1]);
  Finished result;
  std::array<pollfd, 2> streams{pollfd{out[0], POLLIN, 0}, pollfd{err[0], POLLIN, 0}};
  int open = 2;
  while (open > 0) {
    poll(streams.data(), streams.size(), -1);
    for (auto& stream : streams) {
      if (stream.fd < 0 || stream.revents == 0) continue;
      const bool isError = stream.fd == err[0];
      if (!drain(stream.fd, isError ? result.err : result.out)) {
        close(stream.fd);
        stream.fd = -1;
        --open;
      } else if (isError && options.onError) {
        options.onError(result.err, pid);
      }
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace likeness::integration

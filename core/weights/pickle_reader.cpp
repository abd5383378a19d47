// Rights are given up first; only then the file is looked at.
#include "core/weights/pickle_reader.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "core/weights/pickle_file.h"

namespace likeness::weights {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;  // they map terabytes and make calls of their own
#else
constexpr bool sanitized = false;
#endif

int writeAll(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return 0;
}

int report(std::string_view line, int exitCode) {
  (void)writeAll(STDERR_FILENO, std::as_bytes(std::span(line)));
  return exitCode;
}

int report(const api::Error& error) {
  nlohmann::json line = {{"error", api::name(error.code)}};
  for (const auto& [key, value] : error.context) line[key] = value;
  return report(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), 1);
}

bool limit(__rlimit_resource what, rlim_t soft, rlim_t hard) {
  const rlimit both{soft, hard};
  return ::setrlimit(what, &both) == 0;
}

bool setLimits(const PickleLimits& limits) {
  constexpr rlim_t descriptors = 8;
  return limit(RLIMIT_CPU, limits.seconds, limits.seconds + 1) && limit(RLIMIT_FSIZE, 0, 0) &&
         limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_NOFILE, descriptors, descriptors) &&
         (sanitized || limit(RLIMIT_AS, limits.mebibytes << 20, limits.mebibytes << 20));
}

/// From here on no file can be opened, no program started and no connection made: any call that is
/// not in the list ends the process. Where the system has no such filter, the limits alone hold.
void forbidCalls() {
#if defined(__x86_64__)
  if (sanitized) return;
  constexpr std::uint32_t allowed[] = {
      __NR_read,      __NR_pread64,      __NR_write,          __NR_close,
      __NR_fstat,     __NR_lseek,        __NR_newfstatat,     __NR_fcntl,
      __NR_dup,       __NR_brk,          __NR_mmap,           __NR_munmap,
      __NR_mremap,    __NR_madvise,      __NR_futex,          __NR_getpid,
      __NR_gettid,    __NR_tgkill,       __NR_rt_sigprocmask, __NR_rt_sigaction,
      __NR_getrandom, __NR_rt_sigreturn, __NR_exit_group,     __NR_exit};
  constexpr auto load = static_cast<std::uint16_t>(BPF_LD | BPF_W | BPF_ABS);
  constexpr auto equal = static_cast<std::uint16_t>(BPF_JMP | BPF_JEQ | BPF_K);
  constexpr auto answer = static_cast<std::uint16_t>(BPF_RET | BPF_K);
  std::vector<sock_filter> program = {BPF_STMT(load, offsetof(seccomp_data, arch)),
                                      BPF_JUMP(equal, AUDIT_ARCH_X86_64, 1, 0),
                                      BPF_STMT(answer, SECCOMP_RET_KILL_PROCESS),
                                      BPF_STMT(load, offsetof(seccomp_data, nr))};
  for (const std::uint32_t call : allowed) {
    program.push_back(BPF_JUMP(equal, call, 0, 1));
    program.push_back(BPF_STMT(answer, SECCOMP_RET_ALLOW));
  }
  program.push_back(BPF_STMT(answer, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
    (void)::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
#endif
}

api::Result<std::uint64_t> copyTensors() {
  const auto file = PickleFile::open(STDIN_FILENO);
  if (!file) return api::fail(file.error());
  std::vector<TensorSource> tensors;
  for (const auto& [name, tensor] : file->tensors())
    tensors.push_back({name, tensor.dtype, tensor.shape, [&file, &tensor](const auto& sink) {
                         return file->read(tensor, sink);
                       }});
  std::uint64_t written = 0;
  const auto sink = [&written](std::span<const std::byte> bytes) -> api::Result<void> {
    if (const int error = writeAll(STDOUT_FILENO, bytes))
      return api::fail(api::ErrorCode::FileUnreadable, {{"reason", std::strerror(error)}});
    written += bytes.size();
    return {};
  };
  const std::string header = layOutHeader(tensors, file->metadata());
  if (auto done = sink(std::as_bytes(std::span(header))); !done) return api::fail(done.error());
  for (const TensorSource& tensor : tensors)
    if (auto done = tensor.produce(sink); !done) return api::fail(done.error());
  return written;
}

}  // namespace

int servePickle(const PickleLimits& limits) {
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C is the other side's, and its end closes the pipes
  for (const int signal : {SIGPIPE, SIGXCPU}) std::signal(signal, SIG_DFL);
  if (!setLimits(limits))
    return report(R"({"error":"file_unreadable","reason":"its reader could not be confined"})", 1);
  forbidCalls();
  try {
    const auto written = copyTensors();
    if (!written) return report(written.error());
    return report("{\"bytes\":" + std::to_string(*written) + "}", 0);
  } catch (const std::bad_alloc&) {
    return report(R"({"error":"bad_model_file","reason":"reading it needs too much memory"})", 1);
  }
}

}  // namespace likeness::weights

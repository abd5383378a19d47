// likeness-engine: the engine in a process of its own, served over the socket that it inherits
// (core/remote). Not for people.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "app/engine_loader.h"
#include "core/remote/engine_process.h"
#include "core/remote/serve_engine.h"

namespace {

using likeness::remote::kEngineSocket;

bool inheritedASocket() {
  struct stat info {};
  return ::fstat(kEngineSocket, &info) == 0 && S_ISSOCK(info.st_mode);
}

/// If memory runs out, this process is to end and not the window.
void beTheFirstToEnd() { std::ofstream("/proc/self/oom_score_adj") << 500; }

void prepareSignals() {
  // A file-size limit is a failed write with a sentence, not the end of the program.
  for (const int signal : {SIGXFSZ, SIGPIPE}) std::signal(signal, SIG_IGN);
  // As if the window had gone: what runs keeps a checkpoint.
  std::signal(SIGTERM, [](int) { ::shutdown(kEngineSocket, SHUT_RD); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 || !inheritedASocket()) {
    std::fprintf(stderr, "Likeness starts this program itself, to compute in it.\n");
    return 2;
  }
  likeness::app::spinBriefly(argv);
  prepareSignals();
  beTheFirstToEnd();
  // The original stays open until the process ends, so that its end is that of the connection.
  ::fcntl(kEngineSocket, F_SETFD, FD_CLOEXEC);
  likeness::base::Descriptor socket(::fcntl(kEngineSocket, F_DUPFD_CLOEXEC, 0));
  const bool obeyed = likeness::remote::serveEngine(
      std::move(socket),
      [](const likeness::api::EngineOptions& options)
          -> likeness::api::Result<std::shared_ptr<likeness::api::Engine>> {
        auto engine = likeness::app::loadEngine(options);
        if (!engine) return likeness::api::fail(engine.error());
        return std::shared_ptr<likeness::api::Engine>(std::move(*engine));
      });
  return obeyed ? 0 : 1;
}

// The other side of a connection to an engine: the program likeness-engine, or in tests a thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "core/api/result.h"
#include "core/base/descriptor.h"

namespace likeness::remote {

/// The number of the socket that likeness-engine inherits, beside standard error the only thing.
inline constexpr int kEngineSocket = 3;

/// How a process ended.
struct Ending {
  int exitCode = 0;          ///< of one that ended by itself
  int signal = 0;            ///< 0 = it ended by itself
  bool outOfMemory = false;  ///< the system ended it because memory ran out
};
/// "was ended by signal 11": the end of a sentence.
std::string describe(const Ending& ending);

class EngineHost {
 public:
  virtual ~EngineHost() = default;
  virtual int processId() const = 0;
  /// Once, when the connection has ended, or is to end: ends the process if it lives on all the
  /// same, waits for it, and says how it ended.
  virtual Ending end() = 0;
};

struct Connection {
  base::Descriptor socket;
  std::unique_ptr<EngineHost> host;
};

/// Starts `program` with a socket of its own, default signals, in a process group of its own (keys
/// of a terminal are for the window), with standard error, and without anything else that is open.
/// It ends by itself when the socket's other end is closed. Errors: EngineMissing.
api::Result<Connection> startEngineProcess(const std::filesystem::path& program);

}  // namespace likeness::remote

// What goes over the connection, as values and as bytes (CBOR). Pictures go beside it
// (shared_picture.h).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/api/engine.h"

namespace likeness::remote {

/// The first message. Both programs must be of one version, since they share no other promise.
struct Start {
  std::string version;
  std::filesystem::path resources;
  std::int64_t niceness = 0;
  bool operator==(const Start&) const = default;
};
/// `job` is the number that the sender gives it.
struct Submit {
  api::JobId job = 0;
  api::Request request;
  bool operator==(const Submit&) const = default;
};
enum class Command { Stop, Checkpoint, Sample };
struct Order {
  api::JobId job = 0;
  Command command = Command::Stop;
  bool operator==(const Order&) const = default;
};
struct AskDevices {
  bool operator==(const AskDevices&) const = default;
};
using ToEngine = std::variant<Start, Submit, Order, AskDevices>;

/// The engine could not be loaded; nothing follows.
struct Refused {
  api::Error error;
};
/// New samples of a job, always before the event that was told after them.
struct Metrics {
  api::JobId job = 0;
  std::vector<api::MetricSample> samples;
  bool dropped = false;
};
struct LogLine {
  std::int64_t level = 0;  ///< as EngineOptions::log gets it
  std::string text;
};
struct Devices {
  std::vector<api::Device> devices;
};
/// The image of an event's picture has no bytes; they are attached.
using FromEngine = std::variant<Refused, api::Event, Metrics, LogLine, Devices>;

/// M is ToEngine or FromEngine. Any thread.
template <class M>
std::string encode(const M& message);
/// Strict, and safe with any bytes. Errors: Internal, with what is wrong as its detail.
template <class M>
api::Result<M> decode(std::string_view bytes);

}  // namespace likeness::remote

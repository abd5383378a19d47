#include "core/remote/messages.h"

#include <cstdint>

#include "core/config/json_members.h"

namespace likeness::config {

template <>
inline constexpr int kEnumSize<remote::Command> = static_cast<int>(remote::Command::Sample) + 1;

}  // namespace likeness::config

namespace likeness::remote {

using config::As;
using config::Json;

template <class A, As<Start> M>
void members(A& a, M& start) {
  auto& [version, resources, niceness] = start;
  a("version", version)("resources", resources)("niceness", niceness);
}
template <class A, As<Submit> M>
void members(A& a, M& submit) {
  auto& [job, request] = submit;
  a("job", job)("request", request);
}
template <class A, As<Order> M>
void members(A& a, M& order) {
  auto& [job, command] = order;
  a("job", job)("command", command);
}
template <class A, As<AskDevices> M>
void members(A&, M&) {}
template <class A, As<Refused> M>
void members(A& a, M& refused) {
  auto& [error] = refused;
  a("error", error);
}
template <class A, As<Metrics> M>
void members(A& a, M& metrics) {
  auto& [job, samples, dropped] = metrics;
  a("job", job)("samples", samples)("dropped", dropped);
}
template <class A, As<LogLine> M>
void members(A& a, M& line) {
  auto& [level, text] = line;
  a("level", level)("text", text);
}
template <class A, As<Devices> M>
void members(A& a, M& answer) {
  auto& [devices] = answer;
  a("devices", devices);
}

namespace {

constexpr std::size_t kMaxDepth = 24, kMaxItems = 2'000'000;

/// Whether the bytes are one CBOR value of the kind that encode() writes. The library reads nested
/// values, and texts without a length, by recursion, so hostile ones must end here.
bool isPlain(std::string_view bytes) {
  std::vector<std::uint64_t> open{1};  // values that are still to come, of each list
  std::size_t at = 0, items = 0;
  while (!open.empty()) {
    if (open.back()-- == 0) {
      open.pop_back();
      continue;
    }
    if (at >= bytes.size() || ++items > kMaxItems) return false;
    const auto first = static_cast<unsigned char>(bytes[at++]);
    const unsigned kind = first >> 5, size = first & 31;
    std::uint64_t number = size;
    if (size >= 24) {
      const std::size_t width = std::size_t{1} << (size - 24);
      if (size > 27 || bytes.size() - at < width) return false;
      number = 0;
      for (std::size_t i = 0; i < width; ++i)
        number = number << 8 | static_cast<unsigned char>(bytes[at++]);
    }
    const std::uint64_t left = bytes.size() - at;
    switch (kind) {
      case 3:  // text
        if (number > left) return false;
        at += static_cast<std::size_t>(number);
        break;
      case 4:  // list
      case 5:  // object
        if (number > left || open.size() > kMaxDepth) return false;
        open.push_back(kind == 5 ? 2 * number : number);
        break;
      case 2:  // bytes
      case 6:  // tag
        return false;
      default:
        break;
    }
  }
  return at == bytes.size();
}

}  // namespace

template <class M>
std::string encode(const M& message) {
  std::string bytes;
  Json::to_cbor(config::jsonOf(message), bytes);
  return bytes;
}

template <class M>
api::Result<M> decode(std::string_view bytes) {
  const auto wrong = [](std::string reason) {
    return api::fail(api::ErrorCode::Internal, {}, "a message between the programs: " + reason);
  };
  if (!isPlain(bytes)) return wrong("its bytes mean nothing");
  const Json json = Json::from_cbor(bytes, true, false);
  if (json.is_discarded()) return wrong("its bytes mean nothing");
  auto message = config::JsonReader::whole<M>(json, "it");
  if (!message) return wrong(api::message(message.error()));
  return message;
}

template std::string encode(const ToEngine&);
template std::string encode(const FromEngine&);
template api::Result<ToEngine> decode(std::string_view);
template api::Result<FromEngine> decode(std::string_view);

}  // namespace likeness::remote

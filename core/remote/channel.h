// One end of a local socket that carries messages: four bytes of length, then so many bytes, and
// with each message perhaps one file descriptor. Of the other side nothing is believed.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/api/result.h"
#include "core/base/descriptor.h"

namespace likeness::remote {

inline constexpr std::size_t kMaxMessageBytes = 16u << 20;

struct Packet {
  std::string bytes;            ///< 1 to kMaxMessageBytes
  base::Descriptor attachment;  ///< none unless one came along
};

class Channel {
 public:
  explicit Channel(base::Descriptor socket) : m_socket(std::move(socket)) {}

  /// Any thread. Waits while the other side does not read. False when it is gone, or `bytes` are
  /// none or too many.
  bool send(std::string_view bytes, const base::Descriptor& attachment = base::Descriptor());
  /// One thread. Waits for the next message; nothing when the connection has ended, which may also
  /// be in the middle of one. Errors: Internal, when the other side broke the rules above.
  api::Result<std::optional<Packet>> receive();
  /// Tells the other side that nothing follows; what it sends is still received.
  void closeSending();

 private:
  base::Descriptor m_socket;
  std::mutex m_sending;
};

/// Two connected sockets, closed when a program is started. Errors: Internal.
api::Result<std::pair<base::Descriptor, base::Descriptor>> connectedSockets();

}  // namespace likeness::remote

#include "core/remote/channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>

namespace likeness::remote {
namespace {

using base::Descriptor;

tl::unexpected<api::Error> broken(std::string reason) {
  return api::fail(api::ErrorCode::Internal, {}, std::move(reason));
}

/// Both programs run on one machine, so the order of bytes is its own.
using Length = std::uint32_t;

/// Room for more descriptors than are allowed, so that they are seen and closed.
struct Control {
  static constexpr std::size_t kMost = 4;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMost * sizeof(int))> bytes{};
};

/// Takes what came along; false when it is more than one descriptor.
bool takeDescriptors(msghdr& message, Descriptor& out) {
  bool good = (message.msg_flags & MSG_CTRUNC) == 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
      Descriptor descriptor(number);
      if (out.number >= 0) good = false;
      out = std::move(descriptor);
    }
  }
  return good;
}

}  // namespace

bool Channel::send(std::string_view bytes, const Descriptor& attachment) {
  if (bytes.empty() || bytes.size() > kMaxMessageBytes) return false;
  auto length = static_cast<Length>(bytes.size());
  std::array<iovec, 2> parts{iovec{&length, sizeof length},
                             iovec{const_cast<char*>(bytes.data()), bytes.size()}};
  Control control;
  msghdr message{};
  if (attachment.number >= 0) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &attachment.number, sizeof(int));
  }
  std::span<iovec> left(parts);
  const std::lock_guard lock(m_sending);
  while (!left.empty()) {
    message.msg_iov = left.data();
    message.msg_iovlen = left.size();
    const ssize_t sent = ::sendmsg(m_socket.number, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    message.msg_control = nullptr;  // it went with the first byte
    message.msg_controllen = 0;
    for (auto count = static_cast<std::size_t>(sent); count > 0 && !left.empty();) {
      iovec& part = left.front();
      const std::size_t taken = std::min(count, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + taken;
      part.iov_len -= taken;
      count -= taken;
      if (part.iov_len == 0) left = left.subspan(1);
    }
  }
  return true;
}

api::Result<std::optional<Packet>> Channel::receive() {
  Packet packet;
  bool obeyed = true;
  // False when the connection ends before `out` is full.
  const auto fill = [&](std::span<char> out) {
    while (!out.empty()) {
      iovec part{out.data(), out.size()};
      Control control;
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.bytes.data();
      message.msg_controllen = control.bytes.size();
      const ssize_t count = ::recvmsg(m_socket.number, &message, MSG_CMSG_CLOEXEC);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      obeyed = takeDescriptors(message, packet.attachment) && obeyed;
      out = out.subspan(static_cast<std::size_t>(count));
    }
    return true;
  };
  Length length = 0;
  if (!fill({reinterpret_cast<char*>(&length), sizeof length})) return std::nullopt;
  if (length == 0 || length > kMaxMessageBytes)
    return broken("a message of " + std::to_string(length) + " bytes");
  packet.bytes.resize(length);
  if (!fill(packet.bytes)) return std::nullopt;
  if (!obeyed) return broken("a message with several file descriptors");
  return packet;
}

void Channel::closeSending() { ::shutdown(m_socket.number, SHUT_WR); }

api::Result<std::pair<Descriptor, Descriptor>> connectedSockets() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return broken(std::string("socketpair: ") + std::strerror(errno));
  return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

}  // namespace likeness::remote

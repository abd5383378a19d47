// Messages over a socket, whatever the other side does, and pictures in sealed memory.
#include "core/remote/channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <thread>

#include "core/remote/shared_picture.h"
#include "tests/support/fake_engine.h"
#include "tests/support/temp_folder.h"

namespace likeness::remote {
namespace {

using base::Descriptor;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    auto sockets = connectedSockets();
    m_other = std::move(sockets->second);
    m_channel.emplace(std::move(sockets->first));
  }
  /// Bytes as they are, with descriptors beside the first.
  void sendRaw(const std::string& bytes, const std::vector<int>& descriptors = {}) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      const std::size_t size = descriptors.size() * sizeof(int);
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(size);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(size);
      std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    }
    ASSERT_EQ(::sendmsg(m_other.number, &message, MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string framed(const std::string& bytes) {
    const auto length = static_cast<std::uint32_t>(bytes.size());
    return std::string(reinterpret_cast<const char*>(&length), sizeof length) + bytes;
  }
  /// "error", "end", or the bytes.
  std::string received() {
    auto packet = m_channel->receive();
    if (!packet) return "error";
    return *packet ? (*packet)->bytes : "end";
  }
  static std::size_t openDescriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      ++count;
    return count;
  }

  Descriptor m_other;
  std::optional<Channel> m_channel;
};

TEST_F(ChannelTest, CarriesMessagesOfEverySizeInOrder) {
  Channel other(std::move(m_other));
  const std::string large(kMaxMessageBytes, 'x');
  std::jthread sender([&] {
    EXPECT_TRUE(other.send("a"));
    EXPECT_TRUE(other.send(large));
    EXPECT_TRUE(other.send(std::string("\0b", 2)));
    EXPECT_FALSE(other.send(""));
    EXPECT_FALSE(other.send(large + "x"));
    other.closeSending();
  });
  EXPECT_EQ(received(), "a");
  EXPECT_TRUE(received() == large);
  EXPECT_EQ(received(), std::string("\0b", 2));
  EXPECT_EQ(received(), "end");
  sender.join();
  EXPECT_TRUE(m_channel->send("the other direction is still open"));
  EXPECT_EQ((*other.receive())->bytes, "the other direction is still open");
}

TEST_F(ChannelTest, PiecesBecomeOneMessage) {
  for (const char c : framed("words")) sendRaw({c});
  EXPECT_EQ(received(), "words");
}

TEST_F(ChannelTest, ManyThreadsMaySend) {
  Channel other(std::move(m_other));
  std::vector<std::jthread> threads;
  for (const char c : {'a', 'b', 'c'})
    threads.emplace_back([&other, c] {
      for (int i = 0; i < 300; ++i)
        other.send(std::string(1 + 17 * static_cast<std::size_t>(i), c));
    });
  for (int i = 0; i < 900; ++i) {
    const std::string bytes = received();
    EXPECT_EQ(bytes, std::string(bytes.size(), bytes[0]));
  }
}

TEST_F(ChannelTest, ADescriptorComesWithItsMessage) {
  const support::TempFolder folder;
  support::put(folder / "a", "content");
  Channel other(std::move(m_other));
  ASSERT_TRUE(other.send("none"));
  ASSERT_TRUE(other.send("one", Descriptor(::open((folder / "a").c_str(), O_RDONLY))));
  ASSERT_TRUE(other.send("none"));
  EXPECT_EQ((*m_channel->receive())->attachment.number, -1);
  const auto packet = m_channel->receive();
  EXPECT_EQ((*packet)->bytes, "one");
  std::array<char, 7> content{};
  ASSERT_EQ(::read((*packet)->attachment.number, content.data(), content.size()), 7);
  EXPECT_EQ(std::string(content.data(), content.size()), "content");
  EXPECT_NE(::fcntl((*packet)->attachment.number, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ((*m_channel->receive())->attachment.number, -1);
}

TEST_F(ChannelTest, SeveralDescriptorsAreRefusedAndNoneStaysOpen) {
  for (const std::size_t count : {2, 3, 9}) {
    auto sockets = connectedSockets();
    m_other = std::move(sockets->second);
    m_channel.emplace(std::move(sockets->first));
    const std::size_t before = openDescriptors();
    sendRaw(framed("words"), std::vector<int>(count, STDERR_FILENO));
    EXPECT_EQ(received(), "error") << count;
    EXPECT_EQ(openDescriptors(), before);
  }
}

TEST_F(ChannelTest, LengthsThatCannotBeAreRefused) {
  for (const std::uint32_t length :
       {0u, static_cast<std::uint32_t>(kMaxMessageBytes) + 1, 0xffffffffu}) {
    sendRaw(std::string(reinterpret_cast<const char*>(&length), sizeof length));
    EXPECT_EQ(received(), "error") << length;
  }
}

TEST_F(ChannelTest, AnEndInTheMiddleIsAnEnd) {
  const std::string whole = framed("words");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto sockets = connectedSockets();
    m_other = std::move(sockets->second);
    m_channel.emplace(std::move(sockets->first));
    if (size > 0) sendRaw(whole.substr(0, size));
    m_other.close();
    EXPECT_EQ(received(), "end") << size;
    EXPECT_FALSE(m_channel->send("nobody is there"));
  }
}

// ---- pictures

api::Image header(const api::Image& image) {
  return {image.width, image.height, image.format, nullptr};
}

TEST(SharedPicture, ArrivesAsItWas) {
  for (const api::Image& image :
       {support::testImage(33, 7, 2),
        api::Image{
            2, 1, api::PixelFormat::Rgba8, std::make_shared<std::vector<std::uint8_t>>(8, 9)}}) {
    const auto memory = sharePicture(image);
    ASSERT_TRUE(memory);
    api::Image taken = header(image);
    ASSERT_TRUE(takePicture(taken, *memory));
    EXPECT_EQ(taken, image);
    // Nobody can change it any more.
    EXPECT_NE(::ftruncate(memory->number, 1), 0);
    EXPECT_LT(::write(memory->number, "x", 1), 0);
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory->number, 0),
              MAP_FAILED);
  }
}

TEST(SharedPicture, AnEmptyOneNeedsNoMemory) {
  api::Image image;
  EXPECT_TRUE(takePicture(image, Descriptor()));
  EXPECT_TRUE(image.empty());
  image.width = image.height = 8;
  EXPECT_FALSE(takePicture(image, Descriptor()));
}

TEST(SharedPicture, WhatIsNotSealedMemoryOfItsSizeIsRefused) {
  const api::Image image = support::testImage(8, 8);
  const auto refused = [&](const Descriptor& memory, int width, int height) {
    api::Image taken{width, height, api::PixelFormat::Rgb8, nullptr};
    return !takePicture(taken, memory) && taken.empty();
  };
  const auto sealed = sharePicture(image);
  EXPECT_FALSE(refused(*sealed, 8, 8));
  EXPECT_TRUE(refused(*sealed, 8, 7));
  EXPECT_TRUE(refused(*sealed, 8, 9));
  EXPECT_TRUE(refused(*sealed, 0, 8));
  EXPECT_TRUE(refused(*sealed, -8, -8));
  EXPECT_TRUE(refused(*sealed, 1 << 30, 1 << 30));

  const Descriptor open(::memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(open.number, 192), 0);
  EXPECT_TRUE(refused(open, 8, 8));
  ASSERT_EQ(::fcntl(open.number, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  EXPECT_TRUE(refused(open, 8, 8)) << "it could still be written";

  const support::TempFolder folder;
  support::put(folder / "a", std::string(192, 'x'));
  EXPECT_TRUE(refused(Descriptor(::open((folder / "a").c_str(), O_RDONLY)), 8, 8));
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const Descriptor reading(pipe[0]), writing(pipe[1]);
  EXPECT_TRUE(refused(reading, 8, 8)) << "and nothing waits for its writer";
}

}  // namespace
}  // namespace likeness::remote

#include "peers/sftp/packet_stream.h"

#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers::sftp {
namespace {

using test::wire;
using test::wire_string;

/// Gives the bytes of a text, so many at a time, then ends.
class TextTransport final : public Transport {
 public:
  TextTransport(std::string text, std::size_t at_a_time) : text_(std::move(text)), at_a_time_(at_a_time) {}
  void send(std::span<const std::byte>) override {}
  std::size_t receive(std::span<std::byte> buffer) override {
    const std::size_t count = std::min({at_a_time_, buffer.size(), text_.size() - given_});
    std::memcpy(buffer.data(), text_.data() + given_, count);
    given_ += count;
    last_size = buffer.size();
    return count;
  }
  void answered() override {}

  std::size_t last_size = 0;

 private:
  std::string text_;
  std::size_t at_a_time_, given_ = 0;
};

std::string body_of(const Packet& packet) {
  return {reinterpret_cast<const char*>(packet.body.data()), packet.body.size()};
}

TEST(PacketStream, FindsTheSamePacketsHoweverTheBytesCome) {
  std::string stream;
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < 40; ++i) {
    bodies.emplace_back(i * i * 97, static_cast<char>('a' + i % 26));
    stream += wire_string("g" + bodies.back());
  }
  for (const std::size_t at_a_time : {1U, 3U, 4U, 5U, 1000U, 32768U, 100'000'000U}) {
    TextTransport transport(stream, at_a_time);
    PacketStream packets(transport, "web1");
    for (const std::string& body : bodies) {
      const Packet packet = packets.next();
      EXPECT_EQ(packet.type, PacketType::data);
      ASSERT_EQ(body_of(packet), body) << at_a_time;
    }
    EXPECT_FALSE(packets.has_packet());
  }
}

TEST(PacketStream, SurvivesAChangeOfTheReceiveSizeInTheMiddleOfAPacket) {
  const std::string first(1000, 'x'), second(200'000, 'y');
  TextTransport transport(wire_string("g" + first) + wire_string("g" + second), 1500);
  PacketStream packets(transport, "web1");
  EXPECT_EQ(body_of(packets.next()), first);
  packets.set_receive_size(8U << 20U);
  EXPECT_EQ(body_of(packets.next()), second);
  EXPECT_EQ(transport.last_size, 8U << 20U);
}

TEST(PacketStream, AChangeOfTheReceiveSizeLeavesThePacketInHandAlone) {
  const std::string body(100'000, 'x');
  TextTransport transport(wire_string("g" + body) + wire_string("gy"), 100'005);
  PacketStream packets(transport, "web1");
  const Packet packet = packets.next();
  packets.set_receive_size(8U << 20U);
  EXPECT_EQ(body_of(packet), body);
  EXPECT_EQ(body_of(packets.next()), "y");
}

struct EndCase {
  const char* name;
  std::string stream;
  FailureKind kind;
  const char* says;
};

TEST(PacketStream, EndsWithASentenceForEachThingThatIsNoPacket) {
  const std::string good = wire_string("gx");
  const EndCase cases[] = {
      {"nothing at all", "", FailureKind::transient, "ended before it said a word"},
      {"the end after a packet", good, FailureKind::transient, "ended the session in the middle"},
      {"the end within a length", good + "ab", FailureKind::transient, "ended the session in the middle"},
      {"the end within a packet", good + wire(10) + "abc", FailureKind::transient,
       "ended the session in the middle"},
      {"an empty packet", good + wire(0), FailureKind::hostile, "a packet of 0 bytes"},
      {"one byte too long", good + wire(262'145), FailureKind::hostile, "a packet of 262145 bytes"},
      {"256 MiB", good + wire(256U << 20U), FailureKind::hostile, "a packet of 268435456 bytes"},
      {"a login script that prints", "Welcome\x1b[31m to web1\n", FailureKind::permanent,
       "sent \"Welcome\\x1b[31m to web1\\x0a\""},
  };
  for (const EndCase& one : cases) {
    TextTransport transport(one.stream, 1'000'000);
    PacketStream packets(transport, "web1");
    try {
      packets.next();
      packets.next();
      ADD_FAILURE() << one.name << ": was accepted";
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), one.kind) << one.name;
      EXPECT_THAT(error.what(), testing::HasSubstr(one.says)) << one.name;
      EXPECT_THAT(error.what(), testing::HasSubstr("web1")) << one.name;
    }
  }
}

TEST(PacketStream, TakesThePacketOfTheGreatestLength) {
  TextTransport transport(wire_string("g" + std::string(max_packet_size - 1, 'x')), 70'000);
  PacketStream packets(transport, "web1");
  EXPECT_EQ(packets.next().body.size(), max_packet_size - 1);
}

}  // namespace
}  // namespace peerstage::peers::sftp

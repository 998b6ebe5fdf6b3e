#include "peers/sftp/packet.h"

#include <functional>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers::sftp {
namespace {

using namespace std::string_literals;
using test::wire;
using test::wire64;
using test::wire_string;

std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Packet packet(PacketType type, const std::string& body) {
  return {type, std::as_bytes(std::span(body)), "web1"};
}

FileInfo info(FileType type, std::optional<std::uint64_t> size, std::optional<std::uint32_t> permissions,
              std::optional<std::chrono::seconds> modified) {
  return {type, size, permissions, modified};
}

TEST(PacketType, HasTheNameThatTheDraftGivesIt) {
  const std::map<unsigned, std::string> names = {
      {1, "INIT"},    {2, "VERSION"},  {3, "OPEN"},       {4, "CLOSE"},
      {5, "READ"},    {7, "LSTAT"},    {11, "OPENDIR"},   {12, "READDIR"},
      {13, "REMOVE"}, {101, "STATUS"}, {102, "HANDLE"},   {103, "DATA"},
      {104, "NAME"},  {105, "ATTRS"},  {200, "EXTENDED"}, {201, "EXTENDED_REPLY"},
      {99, "type 99"}};
  for (const auto& [number, name] : names) EXPECT_EQ(to_string(static_cast<PacketType>(number)), name);
}

struct EncodeCase {
  const char* name;
  std::function<void(Bytes&)> encode;
  std::string bytes;
};

TEST(EncodedRequest, IsByteForByteWhatTheDraftSays) {
  const EncodeCase cases[] = {
      {"INIT", [](Bytes& out) { encode_init(out); }, "\0\0\0\x05\x01\0\0\0\x03"s},
      {"LSTAT", [](Bytes& out) { encode_path_request(out, PacketType::lstat, 0x01020304, "/a"); },
       "\0\0\0\x0b\x07\x01\x02\x03\x04\0\0\0\x02/a"s},
      {"OPENDIR", [](Bytes& out) { encode_path_request(out, PacketType::opendir, 1, ""); },
       "\0\0\0\x09\x0b\0\0\0\x01\0\0\0\0"s},
      {"REMOVE", [](Bytes& out) { encode_path_request(out, PacketType::remove, 1, "x"); },
       "\0\0\0\x0a\x0d\0\0\0\x01\0\0\0\x01x"s},
      {"READDIR", [](Bytes& out) { encode_handle_request(out, PacketType::readdir, 2, "\0\xff"s); },
       "\0\0\0\x0b\x0c\0\0\0\x02\0\0\0\x02\0\xff"s},
      {"CLOSE", [](Bytes& out) { encode_handle_request(out, PacketType::close, 2, "h"); },
       "\0\0\0\x0a\x04\0\0\0\x02\0\0\0\x01h"s},
      {"OPEN to read", [](Bytes& out) { encode_open(out, 3, "f", OpenFlags::read); },
       "\0\0\0\x12\x03\0\0\0\x03\0\0\0\x01"s + "f\0\0\0\x01\0\0\0\0"s},
      {"OPEN a new file", [](Bytes& out) { encode_open(out, 3, "f", OpenFlags::create_new); },
       "\0\0\0\x12\x03\0\0\0\x03\0\0\0\x01"s + "f\0\0\0\x2a\0\0\0\0"s},
      {"OPEN to truncate", [](Bytes& out) { encode_open(out, 3, "f", OpenFlags::truncate_existing); },
       "\0\0\0\x12\x03\0\0\0\x03\0\0\0\x01"s + "f\0\0\0\x12\0\0\0\0"s},
      {"READ", [](Bytes& out) { encode_read(out, 4, "h", 0x0102030405060708, 0x11121314); },
       "\0\0\0\x16\x05\0\0\0\x04\0\0\0\x01h\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14"s},
      {"limits", [](Bytes& out) { encode_limits(out, 5); },
       "\0\0\0\x1b\xc8\0\0\0\x05\0\0\0\x12limits@openssh.com"s},
      {"fsync", [](Bytes& out) { encode_fsync(out, 5, "h"); },
       "\0\0\0\x1f\xc8\0\0\0\x05\0\0\0\x11"s + "fsync@openssh.com\0\0\0\x01h"s},
  };
  for (const EncodeCase& one : cases) {
    Bytes out{std::byte{0x55}};  // behind what is there already
    one.encode(out);
    EXPECT_EQ(text_of(out), "\x55" + one.bytes) << one.name;
  }
}

TEST(DecodedAttributes, HoldWhatTheFlagsAnnounce) {
  struct Case {
    const char* name;
    std::string bytes;
    FileInfo expected;
  };
  constexpr std::chrono::seconds year_2100(4'102'444'800);
  const Case cases[] = {
      {"nothing", wire(0), {}},
      {"a size of 64 bits", wire(1) + wire64(0x1'0000'0002), info(FileType::unknown, 0x1'0000'0002, {}, {})},
      {"an owner, which is not wanted", wire(2) + wire(7) + wire(8), {}},
      {"a regular file, setuid", wire(4) + wire(0104755), info(FileType::regular, {}, 04755, {})},
      {"a directory", wire(4) + wire(0040700), info(FileType::directory, {}, 0700, {})},
      {"a symlink", wire(4) + wire(0120777), info(FileType::symlink, {}, 0777, {})},
      {"a fifo", wire(4) + wire(0010600), info(FileType::fifo, {}, 0600, {})},
      {"a socket", wire(4) + wire(0140600), info(FileType::socket, {}, 0600, {})},
      {"a block device", wire(4) + wire(0060600), info(FileType::device, {}, 0600, {})},
      {"a character device", wire(4) + wire(0020600), info(FileType::device, {}, 0600, {})},
      {"permissions without a type", wire(4) + wire(0644), info(FileType::unknown, {}, 0644, {})},
      {"times beyond 2038", wire(8) + wire(1) + wire(4'102'444'800),
       info(FileType::unknown, {}, {}, year_2100)},
      {"extended pairs, which are skipped",
       wire(0x80000000) + wire(2) + wire_string("a") + wire_string("b") + wire_string("c") + wire_string(""),
       {}},
      {"all of it",
       wire(0x8000000f) + wire64(5) + wire(0) + wire(0) + wire(0100640) + wire(1) + wire(2) + wire(0),
       info(FileType::regular, 5, 0640, std::chrono::seconds(2))},
  };
  for (const Case& one : cases)
    EXPECT_EQ(decode_attrs(packet(PacketType::attrs, one.bytes)), one.expected) << one.name;
}

TEST(DecodedVersion, KnowsTheExtensionsThatAreUsedInTheirFirstRevision) {
  const auto version = [](const std::string& body) {
    return decode_version(packet(PacketType::version, body));
  };
  const std::string other = wire_string("posix-rename@openssh.com") + wire_string("1");

  const Version plain = version(wire(2));
  EXPECT_EQ(plain.number, 2U);
  EXPECT_FALSE(plain.limits || plain.fsync);
  const Version both = version(wire(3) + other + wire_string("fsync@openssh.com") + wire_string("1") +
                               wire_string("limits@openssh.com") + wire_string("1"));
  EXPECT_TRUE(both.limits && both.fsync);
  EXPECT_FALSE(version(wire(3) + wire_string("limits@openssh.com") + wire_string("2")).limits);
}

TEST(DecodedStatus, NeedsNoText) {
  const Status bare = decode_status(packet(PacketType::status, wire(1)));
  EXPECT_EQ(bare.code, StatusCode::eof);
  EXPECT_EQ(bare.text, "");
  const std::string body = wire(3) + wire_string("no\nway") + wire_string("en");
  EXPECT_EQ(decode_status(packet(PacketType::status, body)).text, "no\nway");
  const std::string no_language = wire(3) + wire_string("no");
  EXPECT_EQ(decode_status(packet(PacketType::status, no_language)).text, "no");
}

TEST(DecodedNames, AreRawBytesWithoutTheLongForm) {
  const std::string body = wire(3) + wire_string("a\0b\n"s) + wire_string("-rw long") + wire(1) + wire64(9) +
                           wire_string("..") + wire_string("") + wire(0) + wire_string("") + wire_string("") +
                           wire(0);
  const auto entries = decode_names(packet(PacketType::name, body));
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].name, "a\0b\n"s);
  EXPECT_EQ(entries[0].info, info(FileType::unknown, 9, {}, {}));
  EXPECT_EQ(entries[1].name, "..");
  EXPECT_EQ(entries[2].name, "");
}

struct BrokenCase {
  const char* name;
  std::function<void(const Packet&)> decode;
  PacketType type;
  std::string body;
  const char* says;
};

TEST(BrokenPacket, IsAHostileFailureThatNamesMachineAndPacket) {
  const auto names = [](const Packet& p) { decode_names(p); };
  const auto attrs = [](const Packet& p) { decode_attrs(p); };
  const auto data = [](const Packet& p) { decode_data(p); };
  const auto handle = [](const Packet& p) { decode_handle(p); };
  const auto status = [](const Packet& p) { decode_status(p); };
  const auto refusal = [](const Packet& p) { decode_refusal(p); };
  const auto version = [](const Packet& p) { decode_version(p); };
  const auto limits = [](const Packet& p) { decode_limits(p); };
  const BrokenCase cases[] = {
      {"no id",
       [](const Packet& p) {
         Packet copy = p;
         take_id(copy);
       },
       PacketType::data, "abc", "DATA packet ends too early"},
      {"status without code", status, PacketType::status, "", "STATUS packet ends too early"},
      {"status text too long", status, PacketType::status, wire(2) + wire(1000) + "x",
       "STATUS packet ends too early"},
      {"ok as refusal", refusal, PacketType::status, wire(0), "STATUS packet says \"ok\""},
      {"data shorter than said", data, PacketType::data, wire(5) + "abcd", "DATA packet ends too early"},
      {"data of 4 GiB", data, PacketType::data, wire(0xffffffff) + "abcd", "DATA packet ends too early"},
      {"bytes behind the data", data, PacketType::data, wire(1) + "abcd", "DATA packet has 3 bytes too many"},
      {"empty data", data, PacketType::data, wire(0), "DATA packet holds no data"},
      {"handle of 257 bytes", handle, PacketType::handle, wire_string(std::string(257, 'h')),
       "HANDLE packet holds a handle"},
      {"bytes behind the handle", handle, PacketType::handle, wire_string("h") + "x",
       "HANDLE packet has 1 bytes too many"},
      {"data for a handle", handle, PacketType::data, wire_string("h"),
       "answered with DATA where only HANDLE"},
      {"a type of the future", handle, static_cast<PacketType>(77), "",
       "answered with type 77 where only HANDLE"},
      {"names missing", names, PacketType::name, wire(2) + wire_string("a") + wire_string("") + wire(0),
       "NAME packet ends too early"},
      {"four billion names", names, PacketType::name, wire(0xffffffff), "NAME packet ends too early"},
      {"bytes behind the names", names, PacketType::name, wire(0) + "x", "NAME packet has 1 bytes too many"},
      {"size cut off", attrs, PacketType::attrs, wire(1) + wire(0), "ATTRS packet ends too early"},
      {"unknown flag", attrs, PacketType::attrs, wire(0x10) + wire64(0),
       "attributes that version 3 does not know"},
      {"four billion extended pairs", attrs, PacketType::attrs, wire(0x80000000) + wire(0xffffffff),
       "ATTRS packet ends too early"},
      {"extension without value", version, PacketType::version, wire(3) + wire_string("x"),
       "VERSION packet ends too early"},
      {"limits cut off", limits, PacketType::extended_reply, wire64(1) + wire64(2),
       "EXTENDED_REPLY packet ends too early"},
  };
  for (const BrokenCase& one : cases) {
    try {
      one.decode(packet(one.type, one.body));
      ADD_FAILURE() << one.name << ": was accepted";
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), FailureKind::hostile) << one.name;
      EXPECT_THAT(error.what(), testing::HasSubstr("the SFTP server of web1 broke the protocol")) << one.name;
      EXPECT_THAT(error.what(), testing::HasSubstr(one.says)) << one.name;
    }
  }
}

TEST(TakenId, LeavesTheRestOfThePacket) {
  const std::string body = wire(0xfffffffe) + "rest";
  Packet with_id = packet(PacketType::data, body);
  EXPECT_EQ(take_id(with_id), 0xfffffffeU);
  EXPECT_EQ(with_id.body.size(), 4U);
}

}  // namespace
}  // namespace peerstage::peers::sftp

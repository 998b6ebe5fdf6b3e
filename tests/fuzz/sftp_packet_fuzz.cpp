#include "peers/sftp/packet.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// One answer of an SFTP server, without its length: the type and the rest. Each decoder gets it.

namespace peerstage::fuzz {
namespace {

using namespace peers::sftp;

template <typename Decode>
void decode(const Packet& packet, Decode decode) {
  try {
    decode(packet);
  } catch (const peers::PeerError& error) {
    expect(error.kind() == peers::FailureKind::hostile, "a packet that breaks a rule is hostile");
    expect(is_safe_line(error.what()), "the sentence about a packet can be printed");
  }
}

bool is_within(const Packet& packet, std::span<const std::byte> part) {
  return part.empty() || (part.data() >= packet.body.data() &&
                          part.data() + part.size() <= packet.body.data() + packet.body.size());
}

bool is_within(const Packet& packet, std::string_view part) {
  return is_within(packet, std::as_bytes(std::span(part)));
}

void check_names(const Packet& packet) {
  std::size_t size = 0;
  for (const auto& entry : decode_names(packet)) {
    size += entry.name.size() + 12;  // the lengths of both names, and the flags
    expect(!entry.info.permissions || *entry.info.permissions <= 07777U, "permissions have twelve bits");
  }
  expect(size <= packet.body.size(), "names take no more than the packet has");
}

void run(std::string_view input) {
  if (input.empty()) return;
  const auto bytes = std::as_bytes(std::span(input));
  const Packet packet{static_cast<PacketType>(bytes[0]), bytes.subspan(1), "web1"};
  decode(packet, [](const Packet& p) { decode_version(p); });
  decode(packet, [](const Packet& p) { decode_limits(p); });
  decode(packet, [](const Packet& p) { expect(is_within(p, decode_status(p).text), "a status is a view"); });
  decode(packet,
         [](const Packet& p) { expect(decode_refusal(p).code != StatusCode::ok, "a refusal is never ok"); });
  decode(packet, [](const Packet& p) {
    const auto handle = decode_handle(p);
    expect(handle.size() <= 256 && is_within(p, handle), "a handle is a short view");
  });
  decode(packet, [](const Packet& p) {
    const auto data = decode_data(p);
    expect(!data.empty() && is_within(p, data), "data is a view of at least a byte");
  });
  decode(packet, check_names);
  decode(packet, [](const Packet& p) { decode_attrs(p); });
  decode(packet, [](Packet p) { take_id(p); });
}

const Target target("sftp_packet", run);

}  // namespace
}  // namespace peerstage::fuzz

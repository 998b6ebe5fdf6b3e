#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "peers/connection.h"
#include "peers/failure.h"

/// The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) as bytes, both ways; no state, no input or
/// output.
namespace peerstage::peers::sftp {

/// Longest packet that is believed, its length field not counted: what OpenSSH sends and takes at most.
inline constexpr std::size_t max_packet_size = 256U << 10U;

enum class PacketType : std::uint8_t {
  init = 1,
  version = 2,
  open = 3,
  close = 4,
  read = 5,
  lstat = 7,
  opendir = 11,
  readdir = 12,
  remove = 13,
  status = 101,
  handle = 102,
  data = 103,
  name = 104,
  attrs = 105,
  extended = 200,
  extended_reply = 201
};

/// "READDIR", or "type 77" for one that this client has no use for.
std::string to_string(PacketType type);

enum class StatusCode : std::uint32_t {
  ok = 0,
  eof = 1,
  no_such_file = 2,
  permission_denied = 3,
  failure = 4,
  bad_message = 5,
  no_connection = 6,
  connection_lost = 7,
  unsupported = 8
};

/// The ways in which this client opens files.
enum class OpenFlags : std::uint32_t {
  read = 0x01,
  truncate_existing = 0x02 | 0x10,  ///< WRITE, TRUNC
  create_new = 0x02 | 0x08 | 0x20   ///< WRITE, CREAT, EXCL: neither a file nor a symlink may be there
};

/// Each appends one whole request to `out`.
using Bytes = std::vector<std::byte>;
void encode_init(Bytes& out);
/// LSTAT, OPENDIR or REMOVE.
void encode_path_request(Bytes& out, PacketType type, std::uint32_t id, std::string_view path);
/// CLOSE or READDIR.
void encode_handle_request(Bytes& out, PacketType type, std::uint32_t id, std::string_view handle);
void encode_open(Bytes& out, std::uint32_t id, std::string_view path, OpenFlags flags);
void encode_read(Bytes& out, std::uint32_t id, std::string_view handle, std::uint64_t offset,
                 std::uint32_t length);
void encode_limits(Bytes& out, std::uint32_t id);
void encode_fsync(Bytes& out, std::uint32_t id, std::string_view handle);

/// One packet from a peer, its length and type (and its id, if it has one) taken off. A view: it lives as
/// long as the buffer that it came from.
struct Packet {
  PacketType type{};
  std::span<const std::byte> body;
  std::string_view machine;  ///< for messages
};

/// The error for a peer that does not keep to the protocol: "the SFTP server of web1 broke the protocol: "
/// and `what`.
PeerError protocol_error(std::string_view machine, const std::string& what);

/// Takes a packet apart from its front. Everything throws protocol_error when the packet is too short for it.
class PacketReader {
 public:
  explicit PacketReader(const Packet& packet) : packet_(packet), rest_(packet.body) {}

  std::uint32_t u32();
  std::uint64_t u64();
  std::span<const std::byte> bytes();  ///< a length and so many bytes
  std::string_view string();           ///< the same as text
  bool at_end() const { return rest_.empty(); }
  void expect_end() const;

 private:
  std::span<const std::byte> take(std::size_t count);

  Packet packet_;
  std::span<const std::byte> rest_;
};

struct Status {
  StatusCode code{};
  std::string_view text;  ///< the server's words: raw; empty if it sent none
};

/// What a server can do beyond the draft (OpenSSH's PROTOCOL).
struct Version {
  std::uint32_t number = 0;
  bool limits = false;
  bool fsync = false;
};

/// The answer to limits@openssh.com; 0: not told.
struct ServerLimits {
  std::uint64_t read_length = 0;
  std::uint64_t open_handles = 0;
};

/// Each throws protocol_error for a packet of another type, one that ends early or has bytes left over, and
/// one whose content breaks a rule.
Version decode_version(const Packet& packet);
ServerLimits decode_limits(const Packet& packet);
Status decode_status(const Packet& packet);
Status decode_refusal(const Packet& packet);  ///< a status where something else was hoped for: never "ok"
std::string_view decode_handle(const Packet& packet);          ///< at most 256 bytes, as the draft demands
std::span<const std::byte> decode_data(const Packet& packet);  ///< never empty
std::vector<ListedEntry> decode_names(const Packet& packet);   ///< may be empty; `longname` is dropped
FileInfo decode_attrs(const Packet& packet);

/// Reads the id off the front of a packet, which every answer but VERSION has.
std::uint32_t take_id(Packet& packet);

}  // namespace peerstage::peers::sftp

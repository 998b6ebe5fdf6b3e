#include "peers/sftp/packet.h"

#include <array>
#include <chrono>
#include <cstring>

#include <sys/stat.h>

namespace peerstage::peers::sftp {
namespace {

constexpr std::uint32_t our_version = 3;
constexpr std::size_t max_handle_size = 256;
constexpr std::string_view limits_extension = "limits@openssh.com";
constexpr std::string_view fsync_extension = "fsync@openssh.com";

/// Flags of a set of attributes (section 5 of the draft): which fields follow.
constexpr std::uint32_t has_size = 0x1;
constexpr std::uint32_t has_owner = 0x2;
constexpr std::uint32_t has_permissions = 0x4;
constexpr std::uint32_t has_times = 0x8;
constexpr std::uint32_t has_extended = 0x80000000;

template <typename Integer>
void put_integer(std::byte* place, Integer value) {
  for (std::size_t i = sizeof value; i-- > 0; value = static_cast<Integer>(value >> 8U))
    place[i] = static_cast<std::byte>(value & 0xffU);
}

template <typename Integer>
Integer get_integer(std::span<const std::byte> bytes) {
  Integer value = 0;
  for (const std::byte byte : bytes)
    value = static_cast<Integer>(value << 8U) | std::to_integer<Integer>(byte);
  return value;
}

/// Appends one packet; its length is known when the writer goes.
class PacketWriter {
 public:
  PacketWriter(Bytes& out, PacketType type) : out_(out), start_(out.size()) {
    out_.resize(start_ + sizeof(std::uint32_t));
    out_.push_back(static_cast<std::byte>(type));
  }
  PacketWriter(const PacketWriter&) = delete;
  PacketWriter& operator=(const PacketWriter&) = delete;
  ~PacketWriter() {
    const std::size_t length = out_.size() - start_ - sizeof(std::uint32_t);
    put_integer(&out_[start_], static_cast<std::uint32_t>(length));
  }

  template <typename Integer>
  PacketWriter& integer(Integer value) {
    out_.resize(out_.size() + sizeof value);
    put_integer(&out_[out_.size() - sizeof value], value);
    return *this;
  }

  PacketWriter& string(std::string_view text) {
    integer(static_cast<std::uint32_t>(text.size()));
    const auto bytes = std::as_bytes(std::span(text));
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }

 private:
  Bytes& out_;
  std::size_t start_;
};

[[noreturn]] void broken(const Packet& packet, const std::string& why) {
  throw protocol_error(packet.machine, "its " + to_string(packet.type) + " packet " + why);
}

void expect_type(const Packet& packet, PacketType type) {
  if (packet.type != type)
    throw protocol_error(packet.machine, "it answered with " + to_string(packet.type) + " where only " +
                                             to_string(type) + " makes sense");
}

FileType type_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::regular;
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    case S_IFCHR:
    case S_IFBLK:
      return FileType::device;
    default:
      return FileType::unknown;
  }
}

FileInfo read_attributes(const Packet& packet, PacketReader& reader) {
  const std::uint32_t flags = reader.u32();
  // A field that we do not know cannot be skipped, and what follows it would be misread.
  if ((flags & ~(has_size | has_owner | has_permissions | has_times | has_extended)) != 0)
    broken(packet, "holds attributes that version 3 does not know");
  FileInfo info;
  if ((flags & has_size) != 0) info.size = reader.u64();
  if ((flags & has_owner) != 0) reader.u64();
  if ((flags & has_permissions) != 0) {
    const std::uint32_t mode = reader.u32();
    info.type = type_of(mode);
    info.permissions = mode & 07777U;
  }
  if ((flags & has_times) != 0) {
    reader.u32();  // last access
    info.modified = std::chrono::seconds(reader.u32());
  }
  if ((flags & has_extended) != 0)
    for (std::uint32_t pairs = reader.u32(); pairs > 0; --pairs) {
      reader.bytes();
      reader.bytes();
    }
  return info;
}

}  // namespace

std::string to_string(PacketType type) {
  switch (type) {
    case PacketType::init:
      return "INIT";
    case PacketType::version:
      return "VERSION";
    case PacketType::open:
      return "OPEN";
    case PacketType::close:
      return "CLOSE";
    case PacketType::read:
      return "READ";
    case PacketType::lstat:
      return "LSTAT";
    case PacketType::opendir:
      return "OPENDIR";
    case PacketType::readdir:
      return "READDIR";
    case PacketType::remove:
      return "REMOVE";
    case PacketType::status:
      return "STATUS";
    case PacketType::handle:
      return "HANDLE";
    case PacketType::data:
      return "DATA";
    case PacketType::name:
      return "NAME";
    case PacketType::attrs:
      return "ATTRS";
    case PacketType::extended:
      return "EXTENDED";
    case PacketType::extended_reply:
      return "EXTENDED_REPLY";
  }
  return "type " + std::to_string(static_cast<unsigned>(type));
}

void encode_init(Bytes& out) {
  PacketWriter(out, PacketType::init).integer(our_version);
}

void encode_path_request(Bytes& out, PacketType type, std::uint32_t id, std::string_view path) {
  PacketWriter(out, type).integer(id).string(path);
}

void encode_handle_request(Bytes& out, PacketType type, std::uint32_t id, std::string_view handle) {
  PacketWriter(out, type).integer(id).string(handle);
}

void encode_open(Bytes& out, std::uint32_t id, std::string_view path, OpenFlags flags) {
  constexpr std::uint32_t no_attributes = 0;
  PacketWriter(out, PacketType::open)
      .integer(id)
      .string(path)
      .integer(static_cast<std::uint32_t>(flags))
      .integer(no_attributes);
}

void encode_read(Bytes& out, std::uint32_t id, std::string_view handle, std::uint64_t offset,
                 std::uint32_t length) {
  PacketWriter(out, PacketType::read).integer(id).string(handle).integer(offset).integer(length);
}

void encode_limits(Bytes& out, std::uint32_t id) {
  PacketWriter(out, PacketType::extended).integer(id).string(limits_extension);
}

void encode_fsync(Bytes& out, std::uint32_t id, std::string_view handle) {
  PacketWriter(out, PacketType::extended).integer(id).string(fsync_extension).string(handle);
}

PeerError protocol_error(std::string_view machine, const std::string& what) {
  return {FailureKind::hostile,
          "the SFTP server of " + std::string(machine) + " broke the protocol: " + what};
}

std::span<const std::byte> PacketReader::take(std::size_t count) {
  if (count > rest_.size()) broken(packet_, "ends too early");
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

std::uint32_t PacketReader::u32() {
  return get_integer<std::uint32_t>(take(sizeof(std::uint32_t)));
}

std::uint64_t PacketReader::u64() {
  return get_integer<std::uint64_t>(take(sizeof(std::uint64_t)));
}

std::span<const std::byte> PacketReader::bytes() {
  return take(u32());
}

std::string_view PacketReader::string() {
  const auto text = bytes();
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

void PacketReader::expect_end() const {
  if (!rest_.empty()) broken(packet_, "has " + std::to_string(rest_.size()) + " bytes too many");
}

Version decode_version(const Packet& packet) {
  expect_type(packet, PacketType::version);
  PacketReader reader(packet);
  Version version;
  version.number = reader.u32();
  while (!reader.at_end()) {
    const std::string_view name = reader.string();
    const std::string_view revision = reader.string();
    if (name == limits_extension && revision == "1") version.limits = true;
    if (name == fsync_extension && revision == "1") version.fsync = true;
  }
  return version;
}

ServerLimits decode_limits(const Packet& packet) {
  expect_type(packet, PacketType::extended_reply);
  PacketReader reader(packet);
  reader.u64();  // longest packet: that of a read implies it
  ServerLimits limits;
  limits.read_length = reader.u64();
  reader.u64();  // longest write
  limits.open_handles = reader.u64();
  return limits;
}

Status decode_status(const Packet& packet) {
  expect_type(packet, PacketType::status);
  PacketReader reader(packet);
  Status status;
  status.code = static_cast<StatusCode>(reader.u32());
  // Old servers leave out the text and its language; nothing here depends on them.
  if (!reader.at_end()) status.text = reader.string();
  return status;
}

Status decode_refusal(const Packet& packet) {
  const Status status = decode_status(packet);
  if (status.code == StatusCode::ok) broken(packet, "says \"ok\" and nothing more to a question");
  return status;
}

std::string_view decode_handle(const Packet& packet) {
  expect_type(packet, PacketType::handle);
  PacketReader reader(packet);
  const std::string_view handle = reader.string();
  reader.expect_end();
  if (handle.size() > max_handle_size) broken(packet, "holds a handle of more than 256 bytes");
  return handle;
}

std::span<const std::byte> decode_data(const Packet& packet) {
  expect_type(packet, PacketType::data);
  PacketReader reader(packet);
  const auto data = reader.bytes();
  reader.expect_end();
  if (data.empty()) broken(packet, "holds no data");
  return data;
}

std::vector<ListedEntry> decode_names(const Packet& packet) {
  expect_type(packet, PacketType::name);
  PacketReader reader(packet);
  std::vector<ListedEntry> entries;
  for (std::uint32_t count = reader.u32(); count > 0; --count) {
    ListedEntry& entry = entries.emplace_back();
    entry.name = reader.string();
    reader.bytes();  // longname: for people, in no fixed form
    entry.info = read_attributes(packet, reader);
  }
  reader.expect_end();
  return entries;
}

FileInfo decode_attrs(const Packet& packet) {
  expect_type(packet, PacketType::attrs);
  PacketReader reader(packet);
  const FileInfo info = read_attributes(packet, reader);
  reader.expect_end();
  return info;
}

std::uint32_t take_id(Packet& packet) {
  const std::uint32_t id = PacketReader(packet).u32();
  packet.body = packet.body.subspan(sizeof id);
  return id;
}

}  // namespace peerstage::peers::sftp

#include "peers/sftp/packet_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "peers/text.h"

namespace peerstage::peers::sftp {
namespace {

constexpr std::size_t length_size = 4;

/// Beyond one receive: room for the beginning of a packet, and enough that it is seldom moved.
constexpr std::size_t slack = 4 * max_packet_size;

}  // namespace

PacketStream::PacketStream(Transport& transport, std::string machine)
    : transport_(transport), machine_(std::move(machine)) {}

bool PacketStream::has_packet() const {
  return buffered() >= length_size && buffered() - length_size >= packet_length();
}

Packet PacketStream::next() {
  while (!has_packet()) receive();
  const std::size_t length = packet_length();
  const std::byte* start = buffer_.get() + begin_ + length_size;
  begin_ += length_size + length;
  any_packet_ = true;
  return {static_cast<PacketType>(*start), {start + 1, length - 1}, machine_};
}

std::size_t PacketStream::packet_length() const {
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_size; ++i)
    length = length << 8U | std::to_integer<std::size_t>(buffer_[begin_ + i]);
  if (length == 0 || length > max_packet_size) refuse_length(length);
  return length;
}

void PacketStream::receive() {
  make_room();
  const std::size_t count = transport_.receive({buffer_.get() + end_, receive_size_});
  if (count == 0)
    throw PeerError(FailureKind::transient,
                    any_packet_
                        ? "the SFTP server of " + machine_ + " ended the session in the middle of the work"
                        : "the SFTP server of " + machine_ +
                              " ended before it said a word; is it installed and allowed for this user?");
  end_ += count;
  received_ += count;
}

/// The buffer may be larger than it has to be since the receive size fell; only its front is used then, and
/// stays in the cache.
void PacketStream::make_room() {
  if (begin_ == end_) begin_ = end_ = 0;
  reserve(receive_size_ + slack);
  if (end_ <= slack) return;
  std::memmove(buffer_.get(), buffer_.get() + begin_, buffered());
  end_ = buffered();
  begin_ = 0;
}

void PacketStream::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  // Not zeroed: memory that no packet ever reaches costs nothing.
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  if (buffered() > 0) std::memcpy(larger.get(), buffer_.get() + begin_, buffered());
  end_ = buffered();
  begin_ = 0;
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

void PacketStream::refuse_length(std::size_t length) const {
  // A login script that prints is so common, and looks so strange, that it deserves a sentence of its own.
  if (!any_packet_) {
    const std::string_view text(reinterpret_cast<const char*>(buffer_.get() + begin_), buffered());
    throw PeerError(FailureKind::permanent,
                    machine_ + " did not begin an SFTP session but sent \"" + printable(text, 80) +
                        "\"; see that nothing in its login scripts prints in a session without terminal");
  }
  throw protocol_error(machine_, "it announced a packet of " + std::to_string(length) +
                                     " bytes, where 1 to " + std::to_string(max_packet_size) +
                                     " are possible");
}

}  // namespace peerstage::peers::sftp

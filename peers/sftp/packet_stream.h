#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "peers/sftp/packet.h"
#include "peers/sftp/transport.h"

namespace peerstage::peers::sftp {

/// Cuts what comes in into packets. They are parsed where they were received: nothing is copied but the
/// beginning of a packet that did not fit behind the ones before it.
class PacketStream {
 public:
  PacketStream(Transport& transport, std::string machine);

  /// How many bytes to ask the transport for at a time, from now on; see Transport::receive. The packet that
  /// was handed out last stays valid.
  void set_receive_size(std::size_t bytes) { receive_size_ = bytes; }

  /// How many bytes the transport has brought so far.
  std::uint64_t received() const { return received_; }

  /// Whether `next` would return without waiting.
  bool has_packet() const;

  /// The next packet; valid until the next call. Throws PeerError: what the transport throws, transient when
  /// the peer ended the stream, hostile for a length that cannot be.
  Packet next();

 private:
  std::size_t buffered() const { return end_ - begin_; }
  std::size_t packet_length() const;
  void receive();
  void make_room();
  void reserve(std::size_t capacity);
  [[noreturn]] void refuse_length(std::size_t length) const;

  Transport& transport_;
  std::string machine_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0, end_ = 0;  ///< what is in the buffer and not yet handed out
  std::size_t receive_size_ = max_packet_size;
  std::uint64_t received_ = 0;
  bool any_packet_ = false;
};

}  // namespace peerstage::peers::sftp

#pragma once

#include <chrono>
#include <cstddef>
#include <span>

namespace peerstage::peers::sftp {

/// The two byte streams under an SFTP session. Used by one thread.
class Transport {
 public:
  virtual ~Transport() = default;

  /// Sends everything. May block until the idle timeout of the connection; then throws PeerError, transient.
  virtual void send(std::span<const std::byte> bytes) = 0;

  /// Waits for bytes and returns how many were put into `buffer` (at least one); 0 when the peer has closed
  /// the stream. Throws PeerError, transient, when nothing came within the idle timeout or the connection
  /// broke. The size of the buffer is also the hint how much may be on its way at once: ask for more on a
  /// line with a long round trip.
  virtual std::size_t receive(std::span<std::byte> buffer) = 0;

  /// Tells that a whole answer arrived: the idle timeout starts anew. Bytes alone do not, so that a peer
  /// that drips cannot hold us.
  virtual void answered() = 0;

  /// Whether the server is OpenSSH by its own words: then it carries requests out one after another.
  virtual bool is_openssh() const { return false; }
};

}  // namespace peerstage::peers::sftp

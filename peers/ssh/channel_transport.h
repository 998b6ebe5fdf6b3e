#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "peers/sftp/transport.h"
#include "peers/ssh/channel.h"

namespace peerstage::peers::ssh {

/// The byte streams of a server's SFTP subsystem.
///
/// The idle timeout counts the time spent waiting for the server since its last whole answer, and no other:
/// neither a slow disk here nor a limit of the rate is held against it. The first answer has the connect
/// timeout.
class ChannelTransport final : public sftp::Transport {
 public:
  /// Starts the subsystem. Throws PeerError, permanent, where the server has none.
  explicit ChannelTransport(Session& session);

  void send(std::span<const std::byte> bytes) override;
  std::size_t receive(std::span<std::byte> buffer) override;
  void answered() override;
  bool is_openssh() const override;

 private:
  static int on_data(ssh_session, ssh_channel, void* data, std::uint32_t length, int is_stderr, void* self);
  /// Calls libssh and takes the time off the patience that is left.
  template <typename Call>
  int waiting(Call call);
  PeerError lost() const;

  Session& session_;
  std::chrono::nanoseconds patience_;
  bool answered_once_ = false;
  std::size_t most_wanted_ = 0;  ///< the largest amount that was asked for
  ssh_channel_callbacks_struct callbacks_{};
  Channel channel_;
};

}  // namespace peerstage::peers::ssh

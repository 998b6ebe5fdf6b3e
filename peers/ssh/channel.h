#pragma once

#include <functional>

#include <libssh/callbacks.h>

#include "peers/ssh/session.h"

namespace peerstage::peers::ssh {

/// An open session channel (RFC 4254, section 6), with the callbacks that libssh calls for it while any call
/// on the session runs. Closing it waits for nothing but the socket, within the connect timeout.
class Channel {
 public:
  /// Opens it, within the connect timeout. `callbacks` must outlive the channel. Throws PeerError.
  Channel(Session& session, ssh_channel_callbacks_struct& callbacks);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ssh_channel handle() const { return handle_; }

 private:
  void close() noexcept;

  Session& session_;
  ssh_channel_callbacks_struct& callbacks_;
  ssh_channel handle_;
};

}  // namespace peerstage::peers::ssh

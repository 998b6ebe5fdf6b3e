#pragma once

#include <memory>
#include <utility>

#include "peers/connected_peer.h"
#include "peers/ssh/ssh_connection.h"

namespace peerstage::peers {

/// A peer behind SSH. Nothing is contacted before the first call that needs it.
class RemotePeer final : public ConnectedPeer {
 public:
  /// `user` is the local user whose keys and ssh configuration count.
  RemotePeer(const Description& description, config::SshSettings settings, ssh::LocalUser user)
      : RemotePeer(
            std::make_unique<ssh::SshConnection>(description.name, std::move(settings), std::move(user)),
            description) {}

 private:
  RemotePeer(std::unique_ptr<ssh::SshConnection> connection, Description description)
      : ConnectedPeer(std::move(description), std::move(connection)) {}
};

}  // namespace peerstage::peers

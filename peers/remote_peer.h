#pragma once

#include <memory>
#include <utility>

#include "peers/connected_peer.h"
#include "peers/parallel_connection.h"
#include "peers/ssh/ssh_connection.h"

namespace peerstage::peers {

/// A peer behind SSH. Nothing is contacted before the first call that needs it.
class RemotePeer final : public ConnectedPeer {
 public:
  /// `user` is the local user whose keys and ssh configuration count. Up to `connections` are used to fetch
  /// files.
  RemotePeer(const Description& description, const config::SshSettings& settings, const ssh::LocalUser& user,
             unsigned connections)
      : ConnectedPeer(description, std::make_unique<ParallelConnection>(connections, [&] {
                        return std::make_unique<ssh::SshConnection>(description.name, settings, user);
                      })) {}
};

}  // namespace peerstage::peers

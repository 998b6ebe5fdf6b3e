#pragma once

#include <memory>
#include <utility>

#include "peers/connected_peer.h"
#include "peers/local_connection.h"

namespace peerstage::peers {

/// A peer whose collect directory is in this machine's file system.
class LocalPeer final : public ConnectedPeer {
 public:
  explicit LocalPeer(const Description& description)
      : LocalPeer(std::make_unique<LocalConnection>(description.collect_dir), description) {}

 private:
  LocalPeer(std::unique_ptr<LocalConnection> connection, Description description)
      : ConnectedPeer(std::move(description), std::move(connection)) {}
};

}  // namespace peerstage::peers

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

  /// Refuses (permanent) a collect directory that contains the staging directory or lies inside of it: what
  /// is staged would be collected again, and the other way round.
  Outcome<StagedTree> stage(staging::PeerPlace& place, Observer& observer) override;

 private:
  LocalPeer(std::unique_ptr<LocalConnection> connection, Description description)
      : ConnectedPeer(std::move(description), std::move(connection)) {}
};

}  // namespace peerstage::peers

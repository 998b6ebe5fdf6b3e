#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peers/peer.h"
#include "peers/staging/stage.h"

namespace peerstage::peers {

/// A peer is a name, a collect directory and a connection to the machine that it is on. Local and remote
/// peers differ in the connection only, so that the same directory gives the same result whichever way it
/// came.
class ConnectedPeer : public Peer {
 public:
  struct Description {
    std::string name;
    std::string collect_dir;                   ///< absolute, on the peer's machine
    std::optional<std::string> cback_command;  ///< absent: no managed actions
    staging::StageOptions options;
  };

  ConnectedPeer(Description description, std::unique_ptr<Connection> connection);

  const std::string& name() const override { return description_.name; }
  Outcome<Done> check_collect_indicator(const std::string& indicator) override;
  Outcome<StagedTree> stage(staging::PeerPlace& place, Observer& observer) override;
  Outcome<Done> write_stage_indicator(const std::string& indicator) override;
  Outcome<CommandResult> run(const Command& command) override;
  Outcome<CommandResult> run_managed_action(const std::string& action, ManagedMode mode,
                                            Command terms) override;
  std::vector<std::string> take_notes() override { return connection_->take_notes(); }

 protected:
  const std::string& collect_dir() const { return description_.collect_dir; }

 private:
  std::string in_collect_dir(const std::string& name) const;

  Description description_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace peerstage::peers

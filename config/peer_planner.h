#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "config/ssh_command.h"
#include "config/stage_plan.h"

namespace peerstage::config {

/// Resolves what one peer inherits: its own value wins over `<peerstage>`, which wins over what its commands
/// say. Each command is judged once, however many peers use it.
class PeerPlanner {
 public:
  /// Both must outlive it; findings are appended.
  PeerPlanner(const Config& config, std::vector<Finding>& findings) : config_(config), findings_(findings) {}

  /// How it is staged. Nothing of a managed peer's.
  StagePeer staged(const ConfiguredPeer& peer);
  /// How its actions are run, for a managed peer of the peers section. What is wrong with its rsh_command is
  /// at most as grave as `gravest`; a command with errors leaves `managed_ssh` absent.
  void manage(const ConfiguredPeer& peer, StagePeer& result, Severity gravest);

  /// Only managed, whether it is staged or not.
  StagePeer managed(const ConfiguredPeer& peer);

  void report(Severity severity, const CommandLine& command, const std::string& message);

 private:
  StagePeer basics(const ConfiguredPeer& peer) const;
  const SshCommand& judged(const CommandLine& command, SshProgram program, Severity gravest);
  SshSettings ssh_settings(const ConfiguredPeer& peer, const SshSettings& command) const;

  const Config& config_;
  std::vector<Finding>& findings_;
  std::map<std::string, SshCommand> commands_;  ///< by the element that they stand in
};

/// A managed peer of the peers section.
bool is_managed(const ConfiguredPeer& peer);

/// How many peers of each group that one of these names may be at work at a time.
std::map<std::string, unsigned> group_limits(const Config& config, const std::vector<StagePeer>& peers);

}  // namespace peerstage::config

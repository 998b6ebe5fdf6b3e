#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "config/stage_plan.h"

namespace peerstage::config {

/// What it takes to run a command on peers, with every inheritance resolved.
struct ExecPlan {
  std::string backup_user, backup_group;
  unsigned parallel_peers = 8;
  std::map<std::string, unsigned> group_limits;  ///< as in StagePlan
  std::chrono::milliseconds deadline{0};         ///< of a command that is given none; 0: none
  /// Those of the peers section, then those of the stage section that have another name. A remote one is
  /// reached as its rsh_command says, or where there is none its rcp_command.
  std::vector<StagePeer> peers;
};

/// Absent after an error, in what is found here.
std::optional<ExecPlan> plan_exec(const Config& config, std::vector<Finding>& findings);

}  // namespace peerstage::config

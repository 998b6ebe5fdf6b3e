#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "config/stage_plan.h"

namespace peerstage::config {

/// What managed actions need to know, with every inheritance resolved.
struct ManagedPlan {
  std::string backup_user, backup_group;
  unsigned parallel_peers = 8;
  std::map<std::string, unsigned> group_limits;  ///< as in StagePlan
  /// In the order of the file, each with `managed_ssh`. Their `ssh` is the same: nothing is known of how they
  /// are staged.
  std::vector<StagePeer> peers;
};

/// The managed peers of the peers section, whether they are staged or not: as with Cedar Backup, those of the
/// stage section are none. What is wrong with an rsh_command is an error here; after an error the plan is
/// absent. Nobody is managed: a plan without peers.
std::optional<ManagedPlan> plan_managed(const Config& config, std::vector<Finding>& findings);

}  // namespace peerstage::config

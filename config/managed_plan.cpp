#include "config/managed_plan.h"

#include "config/peer_planner.h"

namespace peerstage::config {

std::optional<ManagedPlan> plan_managed(const Config& config, std::vector<Finding>& findings) {
  std::vector<Finding> own;
  PeerPlanner planner(config, own);
  ManagedPlan plan;
  plan.backup_user = config.options.backup_user;
  plan.backup_group = config.options.backup_group;
  plan.parallel_peers = config.peerstage.staging.parallel_peers.value_or(plan.parallel_peers);
  if (config.peers) {
    for (const ConfiguredPeer& peer : *config.peers)
      if (is_managed(peer)) plan.peers.push_back(planner.managed(peer));
  }
  plan.group_limits = group_limits(config, plan.peers);
  findings.insert(findings.end(), own.begin(), own.end());
  if (has_errors(own)) return std::nullopt;
  return plan;
}

}  // namespace peerstage::config

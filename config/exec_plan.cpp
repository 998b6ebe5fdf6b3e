#include "config/exec_plan.h"

#include <set>

#include "config/peer_planner.h"

namespace peerstage::config {
namespace {

std::vector<ConfiguredPeer> peers_of(const Config& config) {
  std::vector<ConfiguredPeer> peers = config.peers.value_or(std::vector<ConfiguredPeer>());
  std::set<std::string> names;
  for (const ConfiguredPeer& peer : peers) names.insert(peer.name);
  if (!config.stage) return peers;
  for (const ConfiguredPeer& peer : config.stage->peers)
    if (names.insert(peer.name).second) peers.push_back(peer);
  return peers;
}

bool has_rsh_command(const Config& config, const ConfiguredPeer& peer) {
  return peer.type == PeerType::remote && (peer.rsh_command || config.options.rsh_command);
}

}  // namespace

std::optional<ExecPlan> plan_exec(const Config& config, std::vector<Finding>& findings) {
  std::vector<Finding> own;
  PeerPlanner planner(config, own);
  ExecPlan plan;
  plan.backup_user = config.options.backup_user;
  plan.backup_group = config.options.backup_group;
  plan.parallel_peers = config.peerstage.staging.parallel_peers.value_or(plan.parallel_peers);
  plan.deadline = config.peerstage.managed.deadline;
  for (const ConfiguredPeer& peer : peers_of(config))
    plan.peers.push_back(has_rsh_command(config, peer) ? planner.managed(peer) : planner.staged(peer));
  plan.group_limits = group_limits(config, plan.peers);
  findings.insert(findings.end(), own.begin(), own.end());
  if (has_errors(own)) return std::nullopt;
  return plan;
}

}  // namespace peerstage::config

#include "config/stage_plan.h"

#include <algorithm>

#include "config/peer_planner.h"
#include "config/values.h"

namespace peerstage::config {
namespace {

/// Such a job needs what staging alone does not.
bool has_managed_job(const Config& config) {
  return config.peerstage.daemon && std::ranges::any_of(config.peerstage.daemon->jobs, &Job::managed);
}

class Planner {
 public:
  Planner(const Config& config, std::vector<Finding>& findings) : config_(config), peers_(config, findings) {}

  StagePlan run() {
    StagePlan plan;
    const PeerstageSection::Staging& staging = config_.peerstage.staging;
    plan.staging_dir = config_.stage->staging_dir;
    plan.backup_user = config_.options.backup_user;
    plan.backup_group = config_.options.backup_group;
    plan.starting_day = config_.options.starting_day;
    plan.parallel_peers = staging.parallel_peers.value_or(plan.parallel_peers);
    plan.bandwidth_limit = staging.values.bandwidth_limit.value_or(plan.bandwidth_limit);
    plan.minimum_free = staging.values.minimum_free.value_or(plan.minimum_free);
    plan.daily_indicator = staging.daily_indicator.value_or(plan.daily_indicator);
    for (const PeerType type : {PeerType::local, PeerType::remote}) {
      for (const ConfiguredPeer& peer :
           config_.stage->peers.empty() ? *config_.peers : config_.stage->peers) {
        if (peer.type == type) plan.peers.push_back(peers_.staged(peer));
      }
    }
    plan.group_limits = group_limits(config_, plan.peers);
    warn_of_empty_groups(plan);
    add_management(plan);
    return plan;
  }

 private:
  void warn_of_empty_groups(const StagePlan& plan) {
    for (const PeerstageSection::Group& group : config_.peerstage.groups) {
      if (plan.group_limits.contains(group.name)) continue;
      peers_.report(Severity::warning, {"", group.line, group.element},
                    "no peer that is staged belongs to the group " + quoted(group.name));
    }
  }

  /// Cedar Backup manages the peers of the peers section only, also when others are staged. Those of the same
  /// name are the same.
  void add_management(StagePlan& plan) {
    if (!config_.peers) return;
    const Severity gravest = has_managed_job(config_) ? Severity::error : Severity::warning;
    for (const ConfiguredPeer& peer : *config_.peers) {
      if (!is_managed(peer)) continue;
      const auto staged = std::ranges::find(plan.peers, peer.name, &StagePeer::name);
      StagePeer nobody;
      const bool is_staged = staged != plan.peers.end() && staged->ssh;
      peers_.manage(peer, is_staged ? *staged : nobody, gravest);
      if (!is_staged && has_managed_job(config_)) {
        peers_.report(Severity::warning, {"", peer.line, peer.element},
                      "the jobs of the daemon do not manage " + quoted(peer.name) +
                          ": they go from peer to peer that is staged over SSH");
      }
    }
  }

  const Config& config_;
  PeerPlanner peers_;
};

}  // namespace

std::optional<StagePlan> plan_stage(const Config& config, std::vector<Finding>& findings) {
  if (!config.stage) return std::nullopt;
  std::vector<Finding> own;
  std::optional<StagePlan> plan = Planner(config, own).run();
  if (has_errors(own)) plan.reset();
  findings.insert(findings.end(), own.begin(), own.end());
  return plan;
}

}  // namespace peerstage::config

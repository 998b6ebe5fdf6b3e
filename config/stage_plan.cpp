#include "config/stage_plan.h"

#include <map>
#include <set>

#include "config/ssh_command.h"
#include "config/values.h"

namespace peerstage::config {
namespace {

template <typename Value>
void take(Value& setting, const std::optional<Value>& own,
          const std::optional<Value>& shared = std::nullopt) {
  if (own) {
    setting = *own;
  } else if (shared) {
    setting = *shared;
  }
}

template <typename Value>
void take(std::optional<Value>& setting, const std::optional<Value>& own,
          const std::optional<Value>& shared = std::nullopt) {
  if (own) {
    setting = own;
  } else if (shared) {
    setting = shared;
  }
}

void take(std::vector<std::string>& setting, const std::optional<std::string>& own,
          const std::optional<std::string>& shared) {
  if (own) {
    setting = {*own};
  } else if (shared) {
    setting = {*shared};
  }
}

/// The peer's own values, else those of `<peerstage>`, else the defaults.
StagingSettings staging_settings(const StagingValues& own, const StagingValues& shared) {
  StagingSettings settings;
  take(settings.connections_per_peer, own.connections_per_peer, shared.connections_per_peer);
  take(settings.wait_for_collect, own.wait_for_collect, shared.wait_for_collect);
  take(settings.poll_interval, own.poll_interval, shared.poll_interval);
  take(settings.retries, own.retries, shared.retries);
  take(settings.retry_delay, own.retry_delay, shared.retry_delay);
  take(settings.bandwidth_limit, own.bandwidth_limit, shared.bandwidth_limit);
  take(settings.verify, own.verify, shared.verify);
  take(settings.subdirectories, own.subdirectories, shared.subdirectories);
  take(settings.special_files, own.special_files, shared.special_files);
  take(settings.permissions, own.permissions, shared.permissions);
  take(settings.minimum_free, own.minimum_free, shared.minimum_free);
  take(settings.deadline, own.deadline, shared.deadline);
  return settings;
}

std::string with_peer_name(std::string host, const std::string& name) {
  for (std::size_t at = host.find("%h"); at != std::string::npos; at = host.find("%h", at + name.size())) {
    host.replace(at, 2, name);
  }
  return host;
}

class Planner {
 public:
  Planner(const Config& config, std::vector<Finding>& findings) : config_(config), findings_(findings) {}

  StagePlan run() {
    StagePlan plan;
    const PeerstageSection::Staging& staging = config_.peerstage.staging;
    plan.staging_dir = config_.stage->staging_dir;
    plan.backup_user = config_.options.backup_user;
    plan.backup_group = config_.options.backup_group;
    plan.starting_day = config_.options.starting_day;
    take(plan.parallel_peers, staging.parallel_peers);
    take(plan.bandwidth_limit, staging.values.bandwidth_limit);
    take(plan.minimum_free, staging.values.minimum_free);
    take(plan.daily_indicator, staging.daily_indicator);
    for (const PeerType type : {PeerType::local, PeerType::remote}) {
      for (const ConfiguredPeer& peer : peers()) {
        if (peer.type == type) plan.peers.push_back(stage_peer(peer));
      }
    }
    limit_groups(plan);
    return plan;
  }

  /// The commands of managed peers are no concern of staging, so that they only warn.
  void judge_managed_peers() {
    if (!config_.peers) return;
    for (const ConfiguredPeer& peer : *config_.peers) {
      if (peer.type != PeerType::remote || !peer.managed) continue;
      const CommandLine& command = peer.rsh_command ? *peer.rsh_command : *config_.options.rsh_command;
      if (!judged_.insert(command.element).second) continue;
      for (const auto& notice : read_ssh_command(command.text, SshProgram::ssh).notices) {
        report(Severity::warning, command, notice.message);
      }
    }
  }

 private:
  bool peers_of_stage() const { return !config_.stage->peers.empty(); }
  const std::vector<ConfiguredPeer>& peers() const {
    return peers_of_stage() ? config_.stage->peers : *config_.peers;
  }

  /// Of a group that has no section of its own one peer is at work at a time.
  void limit_groups(StagePlan& plan) {
    for (const StagePeer& peer : plan.peers)
      if (!peer.group.empty()) plan.group_limits[peer.group] = PeerstageSection::Group().parallel_peers;
    for (const PeerstageSection::Group& group : config_.peerstage.groups) {
      const auto limit = plan.group_limits.find(group.name);
      if (limit != plan.group_limits.end())
        limit->second = group.parallel_peers;
      else
        report(Severity::warning, {"", group.line, group.element},
               "no peer that is staged belongs to the group " + quoted(group.name));
    }
  }

  StagePeer stage_peer(const ConfiguredPeer& peer) {
    StagePeer result;
    result.name = peer.name;
    result.collect_dir = peer.collect_dir;
    result.group = peer.group.value_or("");
    result.ignore_failures = peer.ignore_failures;
    result.staging = staging_settings(peer.staging, config_.peerstage.staging.values);
    if (peer.type == PeerType::remote) add_remote(peer, result);
    return result;
  }

  void add_remote(const ConfiguredPeer& peer, StagePeer& result) {
    const SshCommand& command =
        rcp_command(peer.rcp_command ? *peer.rcp_command : config_.options.rcp_command);
    result.ssh = ssh_settings(peer, command.settings);
    if (!peer.staging.bandwidth_limit && !config_.peerstage.staging.values.bandwidth_limit) {
      result.staging.bandwidth_limit = command.bandwidth_limit;
    }
    result.managed_deadline = config_.peerstage.managed.deadline;
    result.sudo = peer.sudo.value_or(config_.peerstage.managed.sudo);
    // Cedar Backup manages the peers of the peers section only.
    if (!peer.managed || peers_of_stage()) return;
    result.cback_command = peer.cback_command ? peer.cback_command : config_.options.cback_command;
    const auto& actions = peer.managed_actions ? peer.managed_actions : config_.options.managed_actions;
    if (actions) result.managed_actions = *actions;
  }

  SshSettings ssh_settings(const ConfiguredPeer& peer, const SshSettings& command) const {
    const PeerstageSection::Ssh& shared = config_.peerstage.ssh;
    SshSettings settings = command;
    settings.host = peer.address ? *peer.address : with_peer_name(command.host, peer.name);
    if (settings.host.empty()) settings.host = peer.name;
    if (settings.user.empty()) settings.user = peer.backup_user.value_or("");
    settings.default_user = config_.options.backup_user;
    take(settings.port, peer.port, shared.port);
    take(settings.identity_files, peer.identity_file, shared.identity_file);
    take(settings.known_hosts, peer.known_hosts, shared.known_hosts);
    take(settings.config_file, shared.config_file);
    take(settings.host_key_policy, shared.host_key_policy);
    take(settings.ciphers, shared.ciphers);
    take(settings.compression, shared.compression);
    take(settings.connect_timeout, shared.connect_timeout);
    take(settings.idle_timeout, shared.idle_timeout);
    return settings;
  }

  /// Each command is judged once, however many peers use it.
  const SshCommand& rcp_command(const CommandLine& command) {
    const auto [place, is_new] = commands_.try_emplace(command.element);
    if (is_new) {
      place->second = read_ssh_command(command.text, SshProgram::scp);
      for (const auto& notice : place->second.notices) report(notice.severity, command, notice.message);
    }
    return place->second;
  }

  void report(Severity severity, const CommandLine& command, const std::string& message) {
    findings_.push_back({severity, config_.file, command.line, command.element, message});
  }

  const Config& config_;
  std::vector<Finding>& findings_;
  std::map<std::string, SshCommand> commands_;  ///< by the element that they stand in
  std::set<std::string> judged_;
};

}  // namespace

std::optional<StagePlan> plan_stage(const Config& config, std::vector<Finding>& findings) {
  if (!config.stage) return std::nullopt;
  std::vector<Finding> own;
  Planner planner(config, own);
  std::optional<StagePlan> plan = planner.run();
  planner.judge_managed_peers();
  if (has_errors(own)) plan.reset();
  findings.insert(findings.end(), own.begin(), own.end());
  return plan;
}

}  // namespace peerstage::config

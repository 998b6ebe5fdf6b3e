#include "config/peer_planner.h"

#include <algorithm>
#include <optional>

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
  take(settings.reuse_unchanged, own.reuse_unchanged, shared.reuse_unchanged);
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

}  // namespace

StagePeer PeerPlanner::basics(const ConfiguredPeer& peer) const {
  StagePeer result;
  result.name = peer.name;
  result.collect_dir = peer.collect_dir;
  result.group = peer.group.value_or("");
  result.ignore_failures = peer.ignore_failures;
  result.staging = staging_settings(peer.staging, config_.peerstage.staging.values);
  result.sudo = peer.sudo.value_or(config_.peerstage.managed.sudo);
  return result;
}

StagePeer PeerPlanner::staged(const ConfiguredPeer& peer) {
  StagePeer result = basics(peer);
  if (peer.type != PeerType::remote) return result;
  const CommandLine& line = peer.rcp_command ? *peer.rcp_command : config_.options.rcp_command;
  const SshCommand& command = judged(line, SshProgram::scp, Severity::error);
  result.ssh = ssh_settings(peer, command.settings);
  if (!peer.staging.bandwidth_limit && !config_.peerstage.staging.values.bandwidth_limit)
    result.staging.bandwidth_limit = command.bandwidth_limit;
  return result;
}

StagePeer PeerPlanner::managed(const ConfiguredPeer& peer) {
  StagePeer result = basics(peer);
  manage(peer, result, Severity::error);
  result.ssh = result.managed_ssh;
  return result;
}

void PeerPlanner::manage(const ConfiguredPeer& peer, StagePeer& result, Severity gravest) {
  result.managed_deadline = config_.peerstage.managed.deadline;
  result.cback_command = peer.cback_command ? peer.cback_command : config_.options.cback_command;
  const auto& actions = peer.managed_actions ? peer.managed_actions : config_.options.managed_actions;
  if (actions) result.managed_actions = *actions;
  const auto& line = peer.rsh_command ? peer.rsh_command : config_.options.rsh_command;
  if (!line) return;  // refused when it was loaded
  const SshCommand& command = judged(*line, SshProgram::ssh, gravest);
  const bool is_refused = std::ranges::any_of(
      command.notices, [](const auto& notice) { return notice.severity == Severity::error; });
  if (!is_refused) result.managed_ssh = ssh_settings(peer, command.settings);
}

void PeerPlanner::report(Severity severity, const CommandLine& command, const std::string& message) {
  findings_.push_back({severity, config_.file, command.line, command.element, message});
}

const SshCommand& PeerPlanner::judged(const CommandLine& command, SshProgram program, Severity gravest) {
  const auto [place, is_new] = commands_.try_emplace(command.element);
  if (is_new) {
    place->second = read_ssh_command(command.text, program);
    for (const auto& notice : place->second.notices) {
      const bool is_error = notice.severity == Severity::error && gravest == Severity::error;
      report(is_error ? Severity::error : Severity::warning, command, notice.message);
    }
  }
  return place->second;
}

SshSettings PeerPlanner::ssh_settings(const ConfiguredPeer& peer, const SshSettings& command) const {
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

bool is_managed(const ConfiguredPeer& peer) {
  return peer.type == PeerType::remote && peer.managed;
}

std::map<std::string, unsigned> group_limits(const Config& config, const std::vector<StagePeer>& peers) {
  std::map<std::string, unsigned> limits;
  // Of a group that has no section of its own one peer is at work at a time.
  for (const StagePeer& peer : peers)
    if (!peer.group.empty()) limits[peer.group] = PeerstageSection::Group().parallel_peers;
  for (const PeerstageSection::Group& group : config.peerstage.groups) {
    const auto limit = limits.find(group.name);
    if (limit != limits.end()) limit->second = group.parallel_peers;
  }
  return limits;
}

}  // namespace peerstage::config

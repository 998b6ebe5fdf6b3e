#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "config/units.h"

/// What the stage action needs to know, with every inheritance resolved: one value for the pool and one for
/// each peer. Nothing downstream looks at the configuration's sections again.
namespace peerstage::config {

enum class AddressFamily { any, ipv4, ipv6 };

/// How one peer is staged. `0` in a duration or a rate means "no limit" or "not at all".
struct StagingSettings {
  unsigned connections_per_peer = 1;
  std::chrono::milliseconds wait_for_collect{0};
  std::chrono::milliseconds poll_interval{30'000};
  unsigned retries = 3;
  std::chrono::milliseconds retry_delay{30'000};
  ByteCount bandwidth_limit;    ///< bytes a second, for this peer; the run's own limit is in the plan
  bool reuse_unchanged = true;  ///< take from an earlier day what has not changed since
  Verify verify = Verify::manifest;
  Subdirectories subdirectories = Subdirectories::recurse;
  SpecialFiles special_files = SpecialFiles::skip;
  std::optional<FileMode> permissions;  ///< absent: the source's bits & 0777 & ~umask
  MinimumFree minimum_free = 5.0;
  std::chrono::milliseconds deadline{0};
};

/// How a remote peer is reached. An absent or empty value is left to the user's ssh configuration, then to
/// the default that ssh_config(5) names.
struct SshSettings {
  std::string host;  ///< `address` of the peer, else `-o HostName`, else its name; the user's ssh
                     ///< configuration may map it
  std::string user;  ///< `-o User` of rcp_command (ssh(1) lets it win over USER@HOST), else the peer's own
                     ///< backup_user; empty: neither says anything
  std::string
      default_user;  ///< the pool's backup_user, where the user's ssh configuration names nobody either
  std::optional<Port> port;
  std::vector<std::string> identity_files;
  std::vector<std::string> known_hosts;         ///< replaces the user's known_hosts files
  std::vector<std::string> global_known_hosts;  ///< replaces /etc/ssh/ssh_known_hosts
  std::optional<std::string>
      config_file;  ///< replaces the user's and the system's ssh configuration; "none" = no file
  std::optional<HostKeyPolicy> host_key_policy;
  std::optional<std::string> host_key_alias;
  std::optional<std::string> ciphers, key_exchanges, macs, host_key_algorithms;  ///< comma lists
  std::optional<std::string> identity_agent;  ///< path of the agent's socket, "none" or "SSH_AUTH_SOCK"
  std::optional<bool> identities_only;
  std::optional<bool> compression;
  AddressFamily address_family = AddressFamily::any;
  std::optional<std::chrono::milliseconds>
      connect_timeout;  ///< of each stage of the login: connect, key exchange, ...; default 10 s
  std::optional<std::chrono::milliseconds> idle_timeout;  ///< without a complete answer; default 60 s
};

/// One peer of the stage action.
struct StagePeer {
  std::string name;
  std::string collect_dir;
  std::string group;  ///< of peers that share a limit; empty: none
  IgnoreFailures ignore_failures = IgnoreFailures::none;
  StagingSettings staging;
  std::optional<SshSettings> ssh;                 ///< set: a remote peer
  std::optional<std::string> cback_command;       ///< of a managed remote peer
  std::optional<SshSettings> managed_ssh;         ///< how its rsh_command would reach it; absent: not managed
  std::vector<std::string> managed_actions;       ///< empty: not managed
  std::chrono::milliseconds managed_deadline{0};  ///< of one managed action; 0: none
  Sudo sudo = Sudo::never;                        ///< whether a command may become another user by sudo(8)
};

/// The whole stage action.
struct StagePlan {
  std::string staging_dir;
  std::string backup_user;
  std::string backup_group;
  Day starting_day = Day::monday;
  unsigned parallel_peers = 8;
  ByteCount bandwidth_limit;  ///< bytes a second for all peers together; 0: none
  MinimumFree minimum_free = 5.0;
  DailyIndicator daily_indicator = DailyIndicator::complete;
  std::map<std::string, unsigned>
      group_limits;  ///< how many peers of a group are at work at a time, for every group that a peer names
  std::vector<StagePeer>
      peers;  ///< local peers first, then remote ones, each in the order of the file, as Cedar does
};

/// Resolves the stage action. A peer's own value wins over `<peerstage>`, which wins over what `rcp_command`
/// says.
///
/// Findings (a wrapper as rcp_command, an option that cannot be honoured) are appended; after an error among
/// them the plan is absent, as it is when the configuration has no stage section.
std::optional<StagePlan> plan_stage(const Config& config, std::vector<Finding>& findings);

}  // namespace peerstage::config

#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "peers/ssh/local_user.h"
#include "peers/ssh/ssh_config.h"

namespace peerstage::peers::ssh {

enum class Compression { off, on };

/// Which keys may be offered.
enum class IdentityChoice { all, configured_only };

/// How a machine is reached, with nothing left open.
struct ConnectionOptions {
  std::string host;  ///< a name to resolve, or an address
  config::Port port;
  std::string user;
  std::string known_host;  ///< the name under which known_hosts files have it
  config::AddressFamily address_family = config::AddressFamily::any;
  std::vector<std::string> identity_files;          ///< configured ones
  std::vector<std::string> default_identity_files;  ///< tried only where none are configured
  IdentityChoice identity_choice = IdentityChoice::all;
  std::string agent_socket;  ///< empty: no agent
  std::vector<std::string> user_known_hosts, global_known_hosts;
  config::HostKeyPolicy host_key_policy = config::HostKeyPolicy::strict;
  std::string ciphers, key_exchanges, macs, host_key_algorithms;  ///< comma lists, best first
  Compression compression = Compression::off;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};
  std::vector<std::string> config_files;        ///< out of which all this was read
  std::vector<std::string> config_directories;  ///< that were searched for them
  std::vector<std::string> notes;               ///< worth a line in the log, printable
};

/// The files that are read when the settings name none; a leading `~` is the user's home.
struct ConfigurationPaths {
  std::string user = "~/.ssh/config";
  std::string system = "/etc/ssh/ssh_config";
};

/// The settings win over the user's ssh configuration, which wins over the system's, which wins over the
/// defaults of ssh_config(5), with two exceptions: only algorithms without known weakness are offered by
/// default, and an unknown host key is never asked about. StrictHostKeyChecking `no` means accept-new here.
///
/// Throws PeerError, permanent, naming file and line: ProxyJump and ProxyCommand, a value that cannot be
/// understood, an unusable file.
ConnectionOptions resolve_options(const config::SshSettings& settings, const LocalUser& user,
                                  const ConfigurationPaths& paths = {});

/// An algorithm list of ssh_config(5): `+LIST` appends, `-PATTERNS` removes, `^LIST` puts in front, anything
/// else replaces.
std::string apply_algorithms(const std::string& defaults, const std::string& wanted);

/// The list with the algorithms first that use one of the key types.
std::string prefer_key_types(const std::string& algorithms, const std::vector<std::string>& types);

}  // namespace peerstage::peers::ssh

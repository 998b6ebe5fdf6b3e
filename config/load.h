#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"

namespace peerstage::config {

/// Whether a configuration that others can change would give them root's rights.
enum class StartedAs { user, root };

struct LoadResult {
  std::optional<Config> config;   ///< absent if there is an error among the findings
  std::vector<Finding> findings;  ///< all of them, in the order of the lines
  /// Where it says that the daemon listens, also when something else in it is wrong: a daemon with the
  /// configuration before can then still be asked. Absent without a daemon section, in what is no XML, and in
  /// what others could have changed.
  std::optional<std::string> control_socket;
};

/// `/etc/peerstage.conf` if it exists, else `/etc/cback3.conf`.
std::string default_path();

/// Reads a configuration. It accepts what Cedar Backup 3 accepts and refuses what that refuses, except where
/// safety asks for more; docs/configuration.md has every rule. Commands (rcp_command, rsh_command) are not
/// judged here, see `check`. Reads this one file and nothing else; does not throw for anything that is wrong
/// with it.
LoadResult load(const std::string& path, StartedAs started_as);

/// Everything that is wrong with a configuration: the findings of `load` and, if it loads, those of
/// `plan_stage`.
std::vector<Finding> check(const std::string& path, StartedAs started_as);

}  // namespace peerstage::config

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/service/state.h"

/// `status --check`: what a plugin of Nagios or Icinga says (Monitoring Plugins Development Guidelines).
namespace peerstage::daemon {

/// The exit status of a plugin.
enum class CheckStatus : int { ok = 0, warning = 1, critical = 2, unknown = 3 };

struct CheckResult {
  CheckStatus status = CheckStatus::unknown;
  std::string line;  ///< one line of less than 1000 bytes, without a newline
};

/// Judges the state, or only the peers of these names.
///
/// Critical: a peer whose last run failed, or one that is stale. Warning: a peer that is not ready or was
/// never staged, a paused schedule, a configuration that is not in force, a catalog that cannot be used, no
/// peer at all. Unknown: a peer was asked for that the daemon does not know. A peer stands as its last run
/// left it until the run that has it now is done with it, so nothing is called good by being tried again.
CheckResult check_result(const ServiceState& state, const std::vector<std::string>& names = {});

/// The daemon does not run, or does not answer in time: critical, since nothing is staged. `why` is one
/// sentence.
CheckResult daemon_does_not_answer(std::string_view why);

/// We could not even ask, or did not understand: unknown.
CheckResult check_impossible(std::string_view why);

}  // namespace peerstage::daemon

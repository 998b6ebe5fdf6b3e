#pragma once

#include <string>

#include "daemon/control/control_address.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

enum class FollowOutput {
  text,
  json  ///< nothing but the document of the run, when it is over
};

/// Shows on standard output how a run goes until it is over, also over a restart of the daemon that takes
/// less than a minute. The result is that of the run; `interrupted` when SIGINT or SIGTERM came, which the
/// run does not notice; `error` when the run was lost sight of, which was told on standard error. Throws
/// ControlError when the daemon does not answer any more.
ExitCode follow_run(const ControlPlace& place, const std::string& id, FollowOutput output);

}  // namespace peerstage::daemon

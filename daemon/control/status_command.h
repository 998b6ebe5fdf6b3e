#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage status`: asks the daemon how things stand, and prints it on standard output. With --watch until
/// SIGINT or SIGTERM, over restarts of the daemon. With --check the result is the exit status of a plugin of
/// Nagios or Icinga (CheckStatus), whose numbers mean something else.
ExitCode show_status(const StatusCommand& command);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage pause`, `resume` and `reload`: has the daemon do it, and says what came of it.
ExitCode steer_daemon(const SteerCommand& command);

}  // namespace peerstage::daemon

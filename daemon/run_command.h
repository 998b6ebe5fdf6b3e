#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage [switches] ACTION...`: opens the log, loads the configuration, runs the actions one after
/// another until one fails, and prints what was asked for.
ExitCode run_actions(const RunCommand& command);

}  // namespace peerstage::daemon

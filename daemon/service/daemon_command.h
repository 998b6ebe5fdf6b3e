#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage daemon`: runs in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration again.
ExitCode run_daemon(const DaemonCommand& command);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage run`: has the daemon run a job, or stage peers. With --follow it shows the run until it is
/// over, and ends as that did; SIGINT and SIGTERM end the following, not the run.
ExitCode start_run(const StartCommand& command);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage cancel [RUN]`: has the daemon end a run, or take it from the queue. What was published stays.
ExitCode cancel_run(const CancelCommand& command);

}  // namespace peerstage::daemon

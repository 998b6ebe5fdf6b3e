#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage schedule`: shows the next runs of the jobs in the configuration. Asks no daemon.
ExitCode show_schedule(const ScheduleCommand& command);

}  // namespace peerstage::daemon

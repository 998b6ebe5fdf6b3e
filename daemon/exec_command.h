#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage exec`: runs a command on peers, in parallel, and shows what it printed. Blocks.
ExitCode exec_command(const ExecCommand& command);

}  // namespace peerstage::daemon

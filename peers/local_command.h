#pragma once

#include "peers/connection.h"

namespace peerstage::peers {

/// Runs a command on this machine: `argv` directly (found through PATH), or `shell_line` with /bin/sh -c.
/// Both streams are read to their end; at the deadline the command's whole process group is killed. Blocks.
/// PeerError, permanent, when it cannot be started; transient when the deadline ended it.
CommandResult run_local_command(const Command& command);

}  // namespace peerstage::peers

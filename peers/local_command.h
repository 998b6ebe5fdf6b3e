#pragma once

#include "peers/connection.h"

namespace peerstage::peers {

/// Runs a command on this machine, see Connection::run: `argv` directly (found through PATH), or `shell_line`
/// with /bin/sh -c. Blocks. As root it becomes any user and any group; as anybody else it takes sudo(8) for
/// that, where the command lets it.
///
/// At a deadline, and when this process dies, the command's whole process group is killed.
CommandResult run_local_command(const Command& command);

}  // namespace peerstage::peers

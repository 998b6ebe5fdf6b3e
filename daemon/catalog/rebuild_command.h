#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage rebuild`: fills the catalog from the manifests with what it lacks, and has it forget what is
/// gone from the disk.
ExitCode rebuild(const RebuildCommand& command);

}  // namespace peerstage::daemon

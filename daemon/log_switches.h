#pragma once

#include "daemon/arguments.h"
#include "daemon/log.h"

/// The switches about the log and the screen, which actions and the daemon have in common.
namespace peerstage::daemon {

/// UsageError for an owner or a mode that is none.
LogFile log_file(const Arguments& arguments);
Verbosity verbosity(const Arguments& arguments);

}  // namespace peerstage::daemon

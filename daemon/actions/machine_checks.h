#pragma once

#include "config/config.h"
#include "config/report.h"

namespace peerstage::daemon {

/// Whether this machine is as the configuration says it is, as far as the process's own user can tell: the
/// directories of all sections, what is collected, local peers, the free space of the staging directory, the
/// programs of hooks, extensions and notifications, and what the daemon needs. Looks, and changes nothing.
void check_machine(const config::Config& config, config::Report& report);

}  // namespace peerstage::daemon

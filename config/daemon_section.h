#pragma once

#include <vector>

#include "config/config.h"
#include "config/fields.h"
#include "config/report.h"

namespace peerstage::config {

/// `<peerstage><daemon>`.
Daemon read_daemon(Fields fields);

/// Reports the programs of a daemon's configuration that others than root could write or replace: as root, it
/// runs them. One that is not there is a warning. Looks at the file system.
void check_trust_of_commands(const Daemon& daemon, Report& report);

}  // namespace peerstage::config

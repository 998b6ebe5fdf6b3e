#pragma once

#include "config/config.h"
#include "config/report.h"
#include "daemon/user.h"

namespace peerstage::daemon {

/// What the process's user can do, which is the user who stages. Both look, and change nothing.
///
/// Whether remote peers can be logged in to, as far as files say: ssh configuration, keys, known hosts.
/// Nobody is contacted and no name is resolved. `user` is who this process is.
void check_remote_peers(const config::Config& config, const User& user, config::Report& report);

/// Whether the staging directory is open to the backup user, where root stages: it hands what it opened to
/// its workers and needs no such right, but others do.
void check_staging_dir_of_backup_user(const config::Stage& stage, const User& user, config::Report& report);

}  // namespace peerstage::daemon

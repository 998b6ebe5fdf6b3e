#pragma once

#include <string>

#include "config/stage_plan.h"
#include "daemon/confine.h"
#include "peers/ssh/local_user.h"

/// What workers need of the machine beside their peer's place, whatever they do there.
namespace peerstage::daemon {

/// To reach a machine over SSH: keys, ssh configuration and known hosts, what the name service reads, and the
/// machine's port. Where new host keys are learnt, the file for them is made. What its ssh configuration says
/// is read for it, as whoever we are. A configuration that cannot be understood leads to no machine: the
/// attempt will say so, and may read everything until then.
void need_machine(Needs& needs, const config::SshSettings& settings, const peers::ssh::LocalUser& user);

/// To work on this machine: libraries.
void need_this_machine(Needs& needs);

/// The programs that are found without a path.
void need_programs(Needs& needs);

}  // namespace peerstage::daemon

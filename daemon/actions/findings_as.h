#pragma once

#include <functional>
#include <vector>

#include "config/finding.h"
#include "config/report.h"
#include "daemon/user.h"

namespace peerstage::daemon {

/// What a check finds when this user makes it. As root that happens in a process of its own, which becomes
/// the user for good and may not write anything anywhere (see confine.h), so that the kernel itself says what
/// the user may do: groups, access control lists and read-only mounts included. As anyone else it is made
/// here, by who we are. A check that could not be made is an error among the findings. For a program with one
/// thread.
std::vector<config::Finding> findings_as(const User& user, const std::string& file,
                                         const std::function<void(config::Report&)>& check);

}  // namespace peerstage::daemon

#pragma once

#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "daemon/user.h"
#include "peers/descriptor.h"

/// How every worker begins, whatever its work is.
namespace peerstage::daemon {

/// Undoes what the supervisor does with signals. A pipe that nobody reads any more is an error, not the end.
void use_default_signals();

/// The directories of the known_hosts files that get new host keys, where they are accepted.
std::vector<std::string> places_of_new_host_keys(const config::SshSettings& ssh, const User& user);

/// What does not exist is passed over.
std::vector<peers::Descriptor> open_directories(const std::vector<std::string>& paths);

}  // namespace peerstage::daemon

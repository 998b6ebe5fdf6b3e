#pragma once

#include <set>
#include <string>

#include "daemon/actions/action_result.h"

namespace peerstage::daemon {

/// Runs an action on every managed peer that lists it, in parallel under the limits of staging. Peers in
/// `refused` are reported as failed without being asked (a purge where staging failed). No such peer: nothing
/// happens, ok.
ActionResult managed_action(const ActionContext& context, const std::string& action,
                            const std::set<std::string>& refused);

}  // namespace peerstage::daemon

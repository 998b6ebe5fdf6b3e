#pragma once

#include <set>
#include <string>

#include "config/managed_plan.h"
#include "daemon/actions/action_result.h"
#include "daemon/managed_run.h"

namespace peerstage::daemon {

struct ManagedActionResult {
  ActionResult result;
  std::set<std::string> may_go_on;  ///< peers that began it, of which nobody knows that it is over there
};

/// Runs an action on every managed peer that lists it, in parallel under the limits of staging. Of the
/// request only what concerns this action need be set: the switches of the context decide about the rest. No
/// such peer: nothing happens, ok.
ManagedActionResult managed_action(const ActionContext& context, const config::ManagedPlan& plan,
                                   ManagedRequest request);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/actions/action_result.h"

namespace peerstage::daemon {

/// Judges the configuration as `check` does, and this machine against it: see machine_checks.h and
/// backup_user_checks.h. Changes nothing anywhere and contacts nobody. Ends with 0 when nothing is wrong but
/// warnings, else with 4.
///
/// JSON: that of `check`.
ActionResult validate_action(const ActionContext& context);

}  // namespace peerstage::daemon

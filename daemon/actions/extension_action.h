#pragma once

#include "config/config.h"
#include "daemon/actions/action_result.h"

namespace peerstage::daemon {

/// Runs the program that an extension names, which must be there. `error` when it fails.
ActionResult extension_action(const config::ExtensionAction& extension, const ActionContext& context);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/actions/action_result.h"

namespace peerstage::daemon {

ActionResult validate_action(const ActionContext& context);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/actions/action_result.h"

namespace peerstage::daemon {

ActionResult purge_action(const ActionContext& context);

}  // namespace peerstage::daemon

#pragma once

#include <string>

#include "daemon/control/control_client.h"

namespace peerstage::daemon {

/// The id in the answer to a request that began or ended a run. Throws ControlError when there is none.
std::string run_id_in(const ControlAnswer& answer);

}  // namespace peerstage::daemon

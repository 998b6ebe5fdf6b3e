#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/actions/action_order.h"

namespace peerstage::daemon {

/// What a command line comes to in this program: the order of order_actions(), and what it does not do is
/// refused before anything is done, with an ActionError that says who does it: Cedar Backup's store, rebuild
/// and initialize, and extensions without a `command`. On managed peers, which may run Cedar Backup, none of
/// this is refused. `all` does without the store action where the configuration has no store section. The
/// items point into `config`.
std::vector<ActionItem> plan_actions(const std::vector<std::string>& words, const config::Config& config,
                                     Managed managed);

/// Why this cannot be begun, because a section is missing that an action here needs; empty: nothing is
/// missing.
std::string missing_section(const std::vector<ActionItem>& items, const config::Config& config);

}  // namespace peerstage::daemon

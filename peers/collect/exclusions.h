#pragma once

#include <functional>
#include <string>

#include "config/collect_plan.h"

namespace peerstage::peers::collect {

/// What a configured directory leaves out: paths that are named exactly, and those that one of its patterns
/// matches as Cedar Backup means it. It holds what it needs of the item. PeerError for a pattern that cannot
/// be used. For one thread.
std::function<bool(const std::string& path)> exclusion_rule(const config::CollectItem& item);

}  // namespace peerstage::peers::collect

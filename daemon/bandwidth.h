#pragma once

#include <vector>

#include "config/units.h"

/// Policy as arithmetic: no clock, no state of its own.
namespace peerstage::daemon {

/// Shares a rate among those who are at work, max-min fair: equal parts, and what somebody cannot use because
/// of a limit of their own goes to the others in equal parts. Limits and rates are bytes a second, 0 is
/// none. Nobody gets less than 1, and but for that the sum is never above the total.
std::vector<config::ByteCount> share_bandwidth(config::ByteCount total,
                                               const std::vector<config::ByteCount>& limits);

}  // namespace peerstage::daemon

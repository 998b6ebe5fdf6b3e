#pragma once

#include <optional>
#include <vector>

#include "config/schedule.h"
#include "daemon/schedule/zone.h"

namespace peerstage::daemon {

/// Until when no transfer may start, since the clocks show a time within one of the windows; absent: one may
/// start now. The windows may overlap, touch and cross midnight, but must leave some of the day free, as the
/// configuration sees to. What the clocks show counts: where they are set back into a window it holds again.
std::optional<WallTime> held_until(const std::vector<config::TimeWindow>& windows, const Zone& zone,
                                   WallTime now);

}  // namespace peerstage::daemon

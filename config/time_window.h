#pragma once

#include <string>
#include <vector>

#include "config/schedule.h"

namespace peerstage::config {

/// `HH:MM-HH:MM`. 24:00 may stand at the end. Throws BadValue, also for a window that is empty.
TimeWindow as_time_window(const std::string& text);

/// Do the windows together leave nothing of the day?
bool cover_whole_day(const std::vector<TimeWindow>& windows);

}  // namespace peerstage::config

#pragma once

#include <chrono>

#include "config/config.h"

namespace peerstage::daemon {

/// A day of the local calendar.
struct LocalDate {
  std::chrono::year_month_day date;
  config::Day weekday;
};

/// The day that a wall clock here shows at that time (localtime_r(3)).
LocalDate local_date(std::chrono::system_clock::time_point when);

}  // namespace peerstage::daemon

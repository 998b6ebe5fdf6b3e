#pragma once

#include <chrono>
#include <string>

/// ISO 8601, as documents for programs have it.
namespace peerstage::daemon {

/// "2026-11-20T02:30:00Z".
std::string iso_utc(std::chrono::system_clock::time_point when);

/// "2026-11-20".
std::string iso_date(std::chrono::year_month_day date);

}  // namespace peerstage::daemon

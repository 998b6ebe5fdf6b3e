#pragma once

#include <chrono>
#include <string>

namespace peerstage::daemon {

/// Times as all our documents have them: "2026-11-20T02:30:07Z", whole seconds, and "2026-11-20".
std::string utc(std::chrono::system_clock::time_point when);
std::string iso_date(std::chrono::year_month_day date);

}  // namespace peerstage::daemon

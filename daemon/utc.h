#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

/// Times and dates as our documents write them: RFC 3339, UTC, to the second.
namespace peerstage::daemon {

/// "2026-11-20T02:30:00Z". A fraction of a second is dropped.
std::string utc(std::chrono::system_clock::time_point when);

/// The way back; absent for everything that `utc` does not write, and for times that the clock cannot hold.
std::optional<std::chrono::system_clock::time_point> parse_utc(std::string_view text);

/// "20261120T023000Z", for names.
std::string compact_utc(std::chrono::system_clock::time_point when);

/// "2026-11-20".
std::string iso_date(std::chrono::year_month_day date);
/// The way back; absent for everything else, for days that no calendar has, and for those that the clock
/// cannot hold.
std::optional<std::chrono::year_month_day> parse_iso_date(std::string_view text);

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

/// Quantities for people: short, never more than eight columns (a time takes sixteen).
namespace peerstage::daemon {

/// "999 B", "1.2 KB", "34 GB": powers of 1024, as in the configuration.
std::string readable_size(std::uint64_t bytes);

/// "0.8 s", "42 s", "3m05s", "2h03m", "4d01h".
std::string readable_duration(std::chrono::milliseconds duration);

/// "2026-11-20 02:30": local, to the minute.
std::string readable_time(std::chrono::system_clock::time_point when);

}  // namespace peerstage::daemon

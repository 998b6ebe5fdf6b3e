#include "daemon/readable.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace peerstage::daemon {
namespace {

std::string decimal(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

std::string two_units(std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
  return std::to_string(big) + big_unit + (small < 10 ? "0" : "") + std::to_string(small) + small_unit;
}

}  // namespace

std::string readable_size(std::uint64_t bytes) {
  constexpr std::array units{" KB", " MB", " GB", " TB", " PB", " EB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return decimal(value, value < 9.95 ? 1 : 0) + units[unit];
}

std::string readable_duration(std::chrono::milliseconds duration) {
  using std::chrono::milliseconds;
  if (duration < milliseconds(9950)) return decimal(static_cast<double>(duration.count()) / 1000, 1) + " s";
  const std::int64_t seconds = (duration.count() + 500) / 1000;
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  if (minutes == 0) return std::to_string(seconds) + " s";
  if (hours == 0) return two_units(minutes, "m", seconds % 60, "s");
  if (hours < 24) return two_units(hours, "h", minutes % 60, "m");
  return two_units(hours / 24, "d", hours % 24, "h");
}

std::string readable_time(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local)};
}

}  // namespace peerstage::daemon

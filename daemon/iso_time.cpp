#include "daemon/iso_time.h"

#include <array>
#include <ctime>

namespace peerstage::daemon {

std::string iso_utc(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm broken_down{};
  ::gmtime_r(&seconds, &broken_down);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &broken_down)};
}

std::string iso_date(std::chrono::year_month_day date) {
  const auto padded = [](unsigned number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  std::string year = std::to_string(static_cast<int>(date.year()));
  if (year.size() < 4) year.insert(0, 4 - year.size(), '0');
  return year + "-" + padded(static_cast<unsigned>(date.month())) + "-" +
         padded(static_cast<unsigned>(date.day()));
}

}  // namespace peerstage::daemon

#include "daemon/local_date.h"

#include <array>
#include <ctime>

namespace peerstage::daemon {

LocalDate local_date(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  const std::chrono::year_month_day date{std::chrono::year(local.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(local.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(local.tm_mday))};
  static constexpr std::array days{config::Day::sunday,    config::Day::monday,   config::Day::tuesday,
                                   config::Day::wednesday, config::Day::thursday, config::Day::friday,
                                   config::Day::saturday};
  return {date, days.at(static_cast<std::size_t>(local.tm_wday))};
}

}  // namespace peerstage::daemon

#include "daemon/schedule/local_time.h"

#include <array>
#include <cstdint>
#include <fmt/format.h>

namespace peerstage::daemon {
namespace {

using std::chrono::days;
using std::chrono::local_seconds;
using std::chrono::minutes;

struct Calendar {
  int year;
  unsigned month, day;
  std::int64_t hour, minute, second;
  unsigned weekday;
};

Calendar calendar(local_seconds local) {
  const auto day = std::chrono::floor<days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(local - day);
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          time.hours().count(),
          time.minutes().count(),
          time.seconds().count(),
          std::chrono::weekday(day).c_encoding()};
}

std::string offset_text(std::chrono::seconds offset, const char* separator) {
  const auto whole = std::chrono::abs(offset) / minutes(1);
  return fmt::format("{}{:02}{}{:02}", offset < offset.zero() ? '-' : '+', whole / 60, separator, whole % 60);
}

}  // namespace

std::string readable_time(const Zone& zone, WallTime when) {
  constexpr std::array weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const Calendar time = calendar(zone.to_local(when));
  return fmt::format("{} {:04}-{:02}-{:02} {:02}:{:02} ", weekdays.at(time.weekday), time.year, time.month,
                     time.day, time.hour, time.minute) +
         offset_text(zone.period_at(when).offset, "");
}

std::string local_timestamp(const Zone& zone, WallTime when) {
  const Calendar time = calendar(zone.to_local(when));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", time.year, time.month, time.day, time.hour,
                     time.minute, time.second) +
         offset_text(zone.period_at(when).offset, ":");
}

}  // namespace peerstage::daemon

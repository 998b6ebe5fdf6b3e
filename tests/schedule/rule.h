#pragma once

#include <chrono>
#include <string>

#include "config/crontab.h"
#include "daemon/schedule/zone.h"

namespace peerstage::daemon {

inline config::CrontabRule rule(const std::string& text) {
  return config::as_crontab_rule(text);
}

/// A time that is written as in "2026-03-29 01:30", or with seconds, in UTC.
inline WallTime utc(const std::string& text) {
  const auto number = [&](std::size_t at, std::size_t length) { return std::stoi(text.substr(at, length)); };
  const auto date = std::chrono::year(number(0, 4)) / number(5, 2) / number(8, 2);
  const int second = text.size() > 16 ? number(17, 2) : 0;
  return std::chrono::sys_days(date) + std::chrono::hours(number(11, 2)) +
         std::chrono::minutes(number(14, 2)) + std::chrono::seconds(second);
}

/// "2026-03-29 03:00 +0200": what the clocks show, for messages of tests that can be read.
inline std::string shown(const Zone& zone, WallTime when) {
  const auto local = zone.to_local(when);
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(local));
  const std::chrono::hh_mm_ss time(local - std::chrono::floor<std::chrono::days>(local));
  const auto offset = std::chrono::duration_cast<std::chrono::minutes>(zone.period_at(when).offset).count();
  const auto positive = offset < 0 ? -offset : offset;
  const auto two = [](auto value) {
    const auto text = std::to_string(static_cast<long>(value));
    return text.size() < 2 ? "0" + text : text;
  };
  std::string text = std::to_string(static_cast<int>(date.year())) + "-" +
                     two(static_cast<unsigned>(date.month())) + "-" + two(static_cast<unsigned>(date.day())) +
                     " " + two(time.hours().count()) + ":" + two(time.minutes().count());
  if (time.seconds().count() != 0) text += ":" + two(time.seconds().count());
  return text + (offset < 0 ? " -" : " +") + two(positive / 60) + two(positive % 60);
}

}  // namespace peerstage::daemon

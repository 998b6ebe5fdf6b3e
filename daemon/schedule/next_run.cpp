#include "daemon/schedule/next_run.h"

#include <algorithm>

namespace peerstage::daemon {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::months;
using std::chrono::seconds;
using std::chrono::year_month_day;

// The 29th of February is a given weekday every 28 years, or 40 where a century is no leap year.
constexpr auto horizon = days(41 * 366);

bool matches_day(const config::CrontabRule& rule, local_days day) {
  const year_month_day date(day);
  const bool by_date = rule.days[static_cast<unsigned>(date.day())];
  const bool by_weekday = rule.weekdays[std::chrono::weekday(day).c_encoding()];
  return rule.any_day_matches ? by_date || by_weekday : by_date && by_weekday;
}

/// The first day from `day` on that matches, at most the one after `last`.
local_days matching_day(const config::CrontabRule& rule, local_days day, local_days last) {
  while (day <= last) {
    const year_month_day date(day);
    if (!rule.months[static_cast<unsigned>(date.month())])
      day = local_days(date.year() / date.month() / 1 + months(1));
    else if (matches_day(rule, day))
      return day;
    else
      day += days(1);
  }
  return day;
}

/// The first time of a day from `time` on that matches.
std::optional<minutes> matching_time(const config::CrontabRule& rule, minutes time) {
  for (auto hour = static_cast<std::size_t>(time / hours(1)); hour < rule.hours.size(); ++hour) {
    if (!rule.hours[hour]) continue;
    const minutes start = hours(hour);
    const auto first = static_cast<std::size_t>(std::max(time - start, minutes(0)).count());
    for (std::size_t minute = first; minute < rule.minutes.size(); ++minute)
      if (rule.minutes[minute]) return start + minutes(minute);
  }
  return std::nullopt;
}

/// The first time on the calendar, whatever the clocks do, from `from` on and before `limit`.
std::optional<local_seconds> matching_local(const config::CrontabRule& rule, local_seconds from,
                                            local_seconds limit) {
  const local_days first_day = std::chrono::floor<days>(from);
  const local_days last_day = std::chrono::floor<days>(limit);
  for (local_days day = matching_day(rule, first_day, last_day); day <= last_day;
       day = matching_day(rule, day + days(1), last_day)) {
    const minutes start = day == first_day ? std::chrono::ceil<minutes>(from - day) : minutes(0);
    if (const auto time = matching_time(rule, start)) return day + *time;
  }
  return std::nullopt;
}

/// Whenever the clocks show a time that matches: looks through one period between two changes after the
/// other.
std::optional<WallTime> next_in_real_time(const config::CrontabRule& rule, const Zone& zone, WallTime after,
                                          local_seconds limit) {
  WallTime from = std::chrono::floor<seconds>(after) + seconds(1);
  while (true) {
    const Zone::Period period = zone.period_at(from);
    const auto local = matching_local(rule, zone.to_local(from), limit);
    if (!local) return std::nullopt;
    const WallTime slot(local->time_since_epoch() - period.offset);
    if (slot < period.end) return slot;
    from = period.end;
  }
}

/// Each time of the calendar once. The moments come in the order of the calendar, so that the first one
/// behind `after` is it.
std::optional<WallTime> next_time_of_day(const config::CrontabRule& rule, const Zone& zone, WallTime after,
                                         local_seconds limit) {
  auto local = matching_local(rule, std::chrono::floor<minutes>(zone.to_local(after)), limit);
  while (local) {
    const WallTime slot = zone.to_wall(*local).first;
    if (slot > after) return slot;
    local = matching_local(rule, *local + minutes(1), limit);
  }
  return std::nullopt;
}

WallTime latest_wall_time() {
  return std::chrono::sys_days(std::chrono::year(2261) / 1 / 1);
}

/// The latest slot in [first, now], where `first` is one. By halving, since a rule of every minute and a year
/// of absence are half a million slots.
WallTime latest_slot(const config::CrontabRule& rule, const Zone& zone, WallTime first, WallTime now) {
  WallTime latest = first, end = now;  // nothing from `end` on up to `now`
  while (end - latest > seconds(1)) {
    const WallTime middle = latest + (end - latest) / 2;
    const auto slot = next_run(rule, zone, middle);
    if (slot && *slot <= now)
      latest = *slot;
    else
      end = middle;
  }
  return latest;
}

std::uint32_t count_slots(const config::CrontabRule& rule, const Zone& zone, WallTime first,
                          WallTime latest) {
  std::uint32_t count = 1;
  for (WallTime slot = first; slot < latest && count < most_counted_slots; ++count)
    slot = next_run(rule, zone, slot).value_or(latest);
  return count;
}

}  // namespace

std::optional<WallTime> next_run(const config::CrontabRule& rule, const Zone& zone, WallTime after) {
  if (after >= latest_wall_time()) return std::nullopt;
  const local_seconds limit =
      zone.to_local(std::min(after, latest_wall_time() - horizon) + WallTime::duration(horizon));
  return rule.hours.all() ? next_in_real_time(rule, zone, after, limit)
                          : next_time_of_day(rule, zone, after, limit);
}

std::optional<MissedSlots> missed_slots(const config::CrontabRule& rule, const Zone& zone,
                                        WallTime dealt_with, WallTime now) {
  const auto first = next_run(rule, zone, dealt_with);
  if (!first || *first > now) return std::nullopt;
  const WallTime latest = latest_slot(rule, zone, *first, now);
  return MissedSlots{latest, count_slots(rule, zone, *first, latest)};
}

std::chrono::milliseconds random_delay(std::chrono::milliseconds longest, double chance) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(longest * std::clamp(chance, 0.0, 1.0));
}

}  // namespace peerstage::daemon

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/crontab.h"
#include "config/values.h"
#include "daemon/schedule/job_schedule.h"
#include "daemon/schedule/next_run.h"
#include "daemon/schedule/not_between.h"
#include "daemon/schedule/zone.h"
#include "daemon/schedule/zone_file.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// A rule of crontab(5) on the clocks of a zone: a byte for the zone, 4 for a time in minutes, one line that
// describes a zone as in tzset(3), and the rule.

namespace peerstage::fuzz {
namespace {

using namespace daemon;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::seconds;

// What a WallTime has room for, and a day at either end.
constexpr std::chrono::sys_days first_day = std::chrono::year(1678) / 1 / 2;
constexpr std::chrono::sys_days last_day = std::chrono::year(2260) / 12 / 31;

/// With changes of a whole and of half an hour, at midnight, of a day, with summer in winter, without any.
Zone chosen_zone(std::size_t which, const std::string& description) {
  static const std::array zones{
      Zone(),
      Zone::named("Europe/Berlin"),
      Zone::named("America/New_York"),
      Zone::named("Australia/Lord_Howe"),
      Zone::named("Pacific/Apia"),
      Zone::named("Africa/Casablanca"),
      Zone::named("Europe/Dublin"),
      Zone::named("America/Sao_Paulo"),
      Zone::named("Asia/Kathmandu"),
  };
  return which < zones.size() ? zones.at(which) : Zone::described(description);
}

void check_zone(const Zone& zone, WallTime when) {
  const Zone::Period period = zone.period_at(when);
  expect(period.end > when, "a period lasts");
  expect(zone.to_local(when).time_since_epoch() ==
             std::chrono::floor<seconds>(when).time_since_epoch() + period.offset,
         "what the clocks show is the offset away");
  const Zone::Moments moments = zone.to_wall(zone.to_local(when));
  expect(moments.kind != Zone::Moments::Kind::never, "what the clocks show, they show");
  expect(
      moments.first <= std::chrono::floor<seconds>(when) && std::chrono::floor<seconds>(when) <= moments.last,
      "a moment is one of those at which the clocks show its time");
}

bool matches(const config::CrontabRule& rule, local_seconds local) {
  const auto day = std::chrono::floor<days>(local);
  const std::chrono::year_month_day date(day);
  const auto minute = static_cast<std::size_t>(std::chrono::floor<minutes>(local - day).count());
  const bool by_date = rule.days[static_cast<unsigned>(date.day())];
  const bool by_weekday = rule.weekdays[std::chrono::weekday(day).c_encoding()];
  return local == std::chrono::floor<minutes>(local) && rule.minutes[minute % 60] &&
         rule.hours[minute / 60] && rule.months[static_cast<unsigned>(date.month())] &&
         (rule.any_day_matches ? by_date || by_weekday : by_date && by_weekday);
}

/// Every slot in a few days, found by looking at each minute of the clocks, or of the calendar.
std::vector<WallTime> slots_minute_by_minute(const config::CrontabRule& rule, const Zone& zone,
                                             WallTime begin, WallTime end) {
  std::vector<WallTime> slots;
  if (rule.hours.all()) {
    for (WallTime when = begin; when <= end; when += seconds(1)) {
      const auto shown = zone.to_local(when);
      if (when > begin && matches(rule, shown)) slots.push_back(when);
      const auto to_next = seconds(59) - (shown - std::chrono::floor<minutes>(shown));
      if (when + to_next < zone.period_at(when).end) when += to_next;  // on to the next whole minute
    }
    return slots;
  }
  const auto last = std::chrono::ceil<minutes>(zone.to_local(end)) + days(2);
  for (auto local = std::chrono::floor<minutes>(zone.to_local(begin)) - days(2); local < last;
       local += minutes(1)) {
    if (!matches(rule, local)) continue;
    const WallTime when = zone.to_wall(local).first;
    if (when > begin && when <= end) slots.push_back(when);
  }
  std::ranges::sort(slots);
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

std::vector<WallTime> slots_in_turn(const config::CrontabRule& rule, const Zone& zone, WallTime begin,
                                    WallTime end) {
  std::vector<WallTime> slots;
  for (auto slot = next_run(rule, zone, begin); slot && *slot <= end; slot = next_run(rule, zone, *slot)) {
    expect(slots.empty() || *slot > slots.back(), "each slot is after the one before");
    slots.push_back(*slot);
  }
  return slots;
}

void check_slots(const config::CrontabRule& rule, const Zone& zone, WallTime begin) {
  const WallTime end = begin + hours(30);
  const auto slots = slots_in_turn(rule, zone, begin, end);
  expect(slots == slots_minute_by_minute(rule, zone, begin, end), "each slot comes once, and no other");
  const auto missed = missed_slots(rule, zone, begin, end);
  expect(missed.has_value() == !slots.empty(), "slots are missed where there were some");
  if (!missed) return;
  expect(missed->latest == slots.back(), "the latest slot that was missed is the last one");
  expect(missed->count == std::min<std::size_t>(slots.size(), most_counted_slots),
         "slots that were missed are counted");
}

void check_next(const config::CrontabRule& rule, const Zone& zone, WallTime after) {
  const auto next = next_run(rule, zone, after);
  if (!next) return;
  expect(*next > after, "the next slot is later");
  expect(next_run(rule, zone, after + (*next - after) / 2) == next, "there is no slot before the next one");
  expect(next_run(rule, zone, *next - WallTime::duration(1)) == next, "the next slot is one");
}

void check_windows(const config::CrontabRule& rule, const Zone& zone, WallTime now) {
  // Any times of the day will do: those of the rule.
  std::vector<config::TimeWindow> windows;
  for (int hour = 0; hour < 24; ++hour)
    if (rule.hours[static_cast<std::size_t>(hour)] && windows.size() < 3)
      windows.push_back({hours(hour), hours((hour + 5) % 24)});
  const auto until = held_until(windows, zone, now);
  if (!until) return;
  expect(*until > now && *until <= now + days(8), "what is held is let go");
  expect(!held_until(windows, zone, *until), "when it is over it is over");
}

void check_rule_text(const config::CrontabRule& rule) {
  expect(rule.minutes.any() && rule.hours.any() && rule.months.any(), "a rule matches something");
  expect(config::as_crontab_rule(rule.text) == rule, "a rule that is written reads as it was");
}

void run(std::string_view input) try {
  Choices choices(input);
  const std::size_t which = choices.below(10);
  const auto minutes_of_all = static_cast<std::uint64_t>(minutes(last_day - first_day).count());
  const WallTime when = first_day + minutes(choices.number(4) % minutes_of_all);
  const std::string description(choices.line());
  const std::string rule_text(choices.rest());
  last_line_of_zone_file(input);
  const Zone zone = chosen_zone(which, description);
  check_zone(zone, when);
  if (rule_text.empty() || !is_utf8(rule_text)) return;
  const config::CrontabRule rule = config::as_crontab_rule(rule_text);
  check_rule_text(rule);
  check_next(rule, zone, when);
  check_slots(rule, zone, when);
  check_windows(rule, zone, when);
} catch (const config::BadValue&) {    // no rule
} catch (const std::runtime_error&) {  // no zone
}

const Target target("schedule", run);

}  // namespace
}  // namespace peerstage::fuzz

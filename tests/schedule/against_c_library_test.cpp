#include <cstdlib>
#include <ctime>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/schedule/next_run.h"
#include "tests/daemon/environment.h"
#include "tests/schedule/rule.h"

// Minute by minute against the C library: what its clocks show at each minute says on its own when a rule is
// due. It reads the zone database with code that has nothing in common with ours.

namespace peerstage::daemon {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

struct Year {
  std::string zone;
  int year;

  WallTime begin() const { return std::chrono::sys_days(std::chrono::year(year) / 1 / 1); }
  WallTime end() const { return std::chrono::sys_days(std::chrono::year(year + 1) / 1 / 1); }
};

/// What the clocks of the process show.
std::tm shown_by_library(WallTime when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm result{};
  ::localtime_r(&seconds, &result);
  return result;
}

/// The same at each minute of some days, and of one more day before and after them.
class Clocks {
 public:
  struct Minute {
    WallTime when;
    std::tm shown;
    std::time_t calendar;  ///< a number that grows with what is shown
  };

  Clocks(WallTime begin, WallTime end) : begin_(begin), end_(end) {
    for (WallTime when = begin - days(1); when < end + days(1); when += minutes(1)) {
      const std::tm shown = shown_by_library(when);
      const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
      minutes_.push_back({when, shown, (seconds + shown.tm_gmtoff) / 60});
    }
  }

  WallTime begin() const { return begin_; }
  WallTime end() const { return end_; }
  const std::vector<Minute>& list() const { return minutes_; }

 private:
  WallTime begin_, end_;
  std::vector<Minute> minutes_;
};

/// A zone that is also that of the process.
struct InZone {
  explicit InZone(const std::string& name) : variable("TZ", name), zone(Zone::named(name)) { ::tzset(); }

  Environment variable;
  Zone zone;
};

/// The days in which something happens: around the turn of the year, and around each change of the clocks.
std::vector<Clocks> eventful_days(const Year& year) {
  std::vector<Clocks> result;
  const auto add_around = [&](WallTime when) { result.emplace_back(when - days(3), when + days(3)); };
  add_around(year.begin());
  for (WallTime when = year.begin(); when < year.end(); when += hours(1))
    if (shown_by_library(when).tm_gmtoff != shown_by_library(when + hours(1)).tm_gmtoff) add_around(when);
  return result;
}

bool matches(const config::CrontabRule& rule, const std::tm& time) {
  const auto is_in = [](const auto& bits, int number) { return bits[static_cast<std::size_t>(number)]; };
  if (!is_in(rule.minutes, time.tm_min) || !is_in(rule.hours, time.tm_hour)) return false;
  const bool day = is_in(rule.days, time.tm_mday), weekday = is_in(rule.weekdays, time.tm_wday);
  return is_in(rule.months, time.tm_mon + 1) && (rule.any_day_matches ? day || weekday : day && weekday);
}

/// What the clocks would show then.
std::tm shown_at(std::time_t calendar_minute) {
  const std::time_t seconds = calendar_minute * 60;
  std::tm result{};
  ::gmtime_r(&seconds, &result);
  return result;
}

/// A rule of every hour: the minutes at which the clocks show a time that matches. Another: the first of them
/// for each minute of the calendar, and the first minute after those that were left out.
std::set<WallTime> due(const config::CrontabRule& rule, const Clocks& clocks) {
  std::set<WallTime> result;
  std::time_t furthest = clocks.list().front().calendar;
  for (const Clocks::Minute& minute : clocks.list()) {
    if (rule.hours.all()) {
      if (matches(rule, minute.shown)) result.insert(minute.when);
      continue;
    }
    if (furthest + 1 == minute.calendar) {
      if (matches(rule, minute.shown)) result.insert(minute.when);
      furthest = minute.calendar;
    }
    for (; furthest < minute.calendar; ++furthest)
      if (matches(rule, shown_at(furthest + 1))) result.insert(minute.when);
  }
  return result;
}

void expect_exactly_the_slots(const char* text, const Zone& zone, const Clocks& clocks) {
  const config::CrontabRule written = rule(text);
  std::set<WallTime> expected;
  for (const WallTime slot : due(written, clocks))
    if (slot > clocks.begin() && slot <= clocks.end()) expected.insert(slot);
  auto next = expected.begin();
  WallTime last = clocks.begin();
  for (auto slot = next_run(written, zone, last); slot && *slot <= clocks.end();
       slot = next_run(written, zone, last)) {
    ASSERT_GT(*slot, last) << text;
    ASSERT_NE(next, expected.end()) << text << ": " << shown(zone, *slot);
    ASSERT_EQ(*slot, *next++) << text << ": " << shown(zone, *slot);
    last = *slot;
  }
  ASSERT_EQ(next, expected.end()) << text << ": " << shown(zone, *next);
}

TEST(WholeYear, HasExactlyTheSlotsThatTheCLibrarysClocksShow) {
  const Year year{"Europe/Berlin", 2028};
  const InZone berlin(year.zone);
  const Clocks clocks(year.begin(), year.end());
  for (const char* text : {"30 2 * * *", "59 23 31 * *", "0 3 29 2 *", "5 1 1,15 * sun", "5 1 */3 * sun",
                           "0 12 * jan-mar mon-fri", "45 0-22 30 12 *", "0 * 30 12 *"})
    ASSERT_NO_FATAL_FAILURE(expect_exactly_the_slots(text, berlin.zone, clocks));
}

class EventfulDays : public testing::TestWithParam<Year> {};

TEST_P(EventfulDays, HaveExactlyTheSlotsThatTheCLibrarysClocksShow) {
  const InZone here(GetParam().zone);
  for (const Clocks& clocks : eventful_days(GetParam())) {
    for (const char* text : {"*/10 * * * *", "7-59/19 * * * *", "@hourly", "30 * * * *", "30 2 * * *",
                             "0 0 * * *", "0 2,3 * * *", "*/10 2 * * *", "15 */2 * * *", "*/3 0-3 * * *",
                             "59 23 31 * *", "0 * 30 12 *", "1-59/2 1 * 3,4,10,11 *"})
      ASSERT_NO_FATAL_FAILURE(expect_exactly_the_slots(text, here.zone, clocks));
  }
}

/// From any minute on, not only from one slot to the next.
TEST_P(EventfulDays, HaveTheSameNextSlotFromEveryMinute) {
  const InZone here(GetParam().zone);
  for (const Clocks& clocks : eventful_days(GetParam())) {
    for (const char* text : {"*/20 * * * *", "*/20 1-3 * * *", "30 2 * * *", "0 0 1,30 * mon"}) {
      const config::CrontabRule written = rule(text);
      const std::set<WallTime> expected = due(written, clocks);
      for (std::size_t n = 24 * 60; n < clocks.list().size() - 24 * 60; n += 11) {
        const WallTime now = clocks.list()[n].when + std::chrono::seconds(n % 60);
        const auto next = next_run(written, here.zone, now);
        ASSERT_TRUE(next) << text;
        ASSERT_GT(*next, now);
        const auto first = expected.upper_bound(now);
        if (first != expected.end()) {
          ASSERT_EQ(*next, *first) << text << " after " << shown(here.zone, now);
        } else {
          ASSERT_GT(*next, clocks.list().back().when) << text << " after " << shown(here.zone, now);
        }
      }
    }
  }
}

TEST_P(EventfulDays, ShowWhatTheCLibraryShows) {
  const InZone here(GetParam().zone);
  for (const Clocks& clocks : eventful_days(GetParam())) {
    for (std::size_t n = 0; n < clocks.list().size(); n += 5) {
      const Clocks::Minute& minute = clocks.list()[n];
      const auto local = here.zone.to_local(minute.when);
      ASSERT_EQ(local.time_since_epoch() / minutes(1), minute.calendar) << shown(here.zone, minute.when);
      const Zone::Period period = here.zone.period_at(minute.when);
      ASSERT_EQ(period.offset.count(), minute.shown.tm_gmtoff);
      const Zone::Moments moments = here.zone.to_wall(local);
      ASSERT_TRUE(moments.first == minute.when || moments.last == minute.when)
          << shown(here.zone, minute.when);
      ASSERT_EQ(moments.kind == Zone::Moments::Kind::twice, moments.first != moments.last);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Zones, EventfulDays,
                         testing::Values(Year{"Europe/Berlin", 2028}, Year{"Europe/Berlin", 2040},
                                         Year{"America/New_York", 2026}, Year{"Australia/Lord_Howe", 2026},
                                         Year{"Asia/Kolkata", 2027}, Year{"America/Sao_Paulo", 2018},
                                         Year{"Africa/Casablanca", 2026}, Year{"Pacific/Apia", 2011},
                                         Year{"Europe/Dublin", 2026}, Year{"Asia/Pyongyang", 2018}),
                         [](const auto& row) {
                           std::string name = row.param.zone + "_" + std::to_string(row.param.year);
                           for (char& c : name)
                             if (c == '/') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace peerstage::daemon

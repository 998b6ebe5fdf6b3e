#include <cstdlib>
#include <ctime>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/schedule/next_run.h"
#include "tests/daemon/environment.h"
#include "tests/schedule/rule.h"

// Whole years, minute by minute, against the C library: what its clocks show at each minute says on its own
// when a rule is due. It reads the zone database with code that has nothing in common with ours.

namespace peerstage::daemon {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

struct Year {
  std::string zone;
  int year;
};

/// What the clocks show at each minute of a year and two days around it.
class Clocks {
 public:
  struct Minute {
    WallTime when;
    std::tm shown;
    std::time_t calendar;  ///< a number that grows with what is shown
  };

  explicit Clocks(const Year& year) : zone_("TZ", year.zone) {
    ::tzset();
    const WallTime begin = std::chrono::sys_days(std::chrono::year(year.year) / 1 / 1) - hours(48);
    for (WallTime when = begin; when < begin + hours(24 * 370); when += minutes(1)) {
      Minute minute{when, {}, 0};
      const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
      ::localtime_r(&seconds, &minute.shown);
      minute.calendar = (seconds + minute.shown.tm_gmtoff) / 60;
      minutes_.push_back(minute);
    }
  }

  const std::vector<Minute>& list() const { return minutes_; }

 private:
  Environment zone_;
  std::vector<Minute> minutes_;
};

bool matches(const config::CrontabRule& rule, const std::tm& time) {
  const auto is_in = [](const auto& bits, int number) { return bits[static_cast<std::size_t>(number)]; };
  const bool day = is_in(rule.days, time.tm_mday), weekday = is_in(rule.weekdays, time.tm_wday);
  return is_in(rule.minutes, time.tm_min) && is_in(rule.hours, time.tm_hour) &&
         is_in(rule.months, time.tm_mon + 1) && (rule.any_day_matches ? day || weekday : day && weekday);
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

class WholeYear : public testing::TestWithParam<Year> {};

TEST_P(WholeYear, HasExactlyTheSlotsThatTheCLibrarysClocksShow) {
  const Clocks clocks(GetParam());
  const Zone zone = Zone::named(GetParam().zone);
  const WallTime begin = clocks.list()[24 * 60].when,
                 end = clocks.list()[clocks.list().size() - 24 * 60].when;
  for (const char* text :
       {"*/10 * * * *", "7-59/19 * * * *", "@hourly", "30 * * * *", "30 2 * * *", "0 0 * * *", "0 2,3 * * *",
        "*/10 2 * * *", "15 */2 * * *", "*/3 0-3 * * *", "59 23 31 * *", "0 3 29 2 *", "5 1 1,15 * sun",
        "5 1 */3 * sun", "0 12 * jan-mar mon-fri", "45 0-22 30 12 *", "0 * 30 12 *",
        "1-59/2 1 * 3,4,10,11 *"}) {
    const config::CrontabRule written = rule(text);
    std::set<WallTime> expected;
    for (const WallTime slot : due(written, clocks))
      if (slot > begin && slot <= end) expected.insert(slot);
    std::vector<WallTime> found;
    for (auto slot = next_run(written, zone, begin); slot && *slot <= end;
         slot = next_run(written, zone, *slot)) {
      ASSERT_TRUE(found.empty() || *slot > found.back()) << text;
      found.push_back(*slot);
    }
    ASSERT_EQ(found.size(), expected.size()) << text;
    auto next = expected.begin();
    for (const WallTime slot : found) ASSERT_EQ(slot, *next++) << text << ": " << shown(zone, slot);
  }
}

/// From any minute on, not only from one slot to the next.
TEST_P(WholeYear, HasTheSameNextSlotFromEveryMinute) {
  const Clocks clocks(GetParam());
  const Zone zone = Zone::named(GetParam().zone);
  for (const char* text : {"*/20 * * * *", "*/20 1-3 * * *", "30 2 * * *", "0 0 1,30 * mon"}) {
    const config::CrontabRule written = rule(text);
    const std::set<WallTime> expected = due(written, clocks);
    for (std::size_t n = 24 * 60; n < clocks.list().size() - 40 * 24 * 60; n += 23) {
      const WallTime now = clocks.list()[n].when + std::chrono::seconds(n % 60);
      const auto next = next_run(written, zone, now);
      ASSERT_TRUE(next) << text;
      ASSERT_GT(*next, now);
      ASSERT_EQ(*next, *expected.upper_bound(now)) << text << " after " << shown(zone, now);
    }
  }
}

TEST_P(WholeYear, ShowsWhatTheCLibraryShows) {
  const Clocks clocks(GetParam());
  const Zone zone = Zone::named(GetParam().zone);
  for (std::size_t n = 0; n < clocks.list().size(); n += 5) {
    const Clocks::Minute& minute = clocks.list()[n];
    const auto local = zone.to_local(minute.when);
    ASSERT_EQ(local.time_since_epoch() / minutes(1), minute.calendar) << shown(zone, minute.when);
    const Zone::Period period = zone.period_at(minute.when);
    ASSERT_EQ(period.offset.count(), minute.shown.tm_gmtoff);
    const Zone::Moments moments = zone.to_wall(local);
    ASSERT_TRUE(moments.first == minute.when || moments.last == minute.when) << shown(zone, minute.when);
    ASSERT_EQ(moments.kind == Zone::Moments::Kind::twice, moments.first != moments.last);
  }
}

INSTANTIATE_TEST_SUITE_P(Zones, WholeYear,
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

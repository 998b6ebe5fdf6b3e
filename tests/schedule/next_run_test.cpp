#include "daemon/schedule/next_run.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/schedule/rule.h"

namespace peerstage::daemon {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Row {
  std::string zone, rule, after;  ///< after: in UTC
  std::vector<std::string> runs;  ///< the first ones, as the clocks show them
};

void expect_runs(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    const Zone zone = Zone::named(row.zone);
    const config::CrontabRule written = rule(row.rule);
    std::vector<std::string> runs;
    std::optional<WallTime> time = utc(row.after);
    while (runs.size() < row.runs.size()) {
      time = next_run(written, zone, *time);
      if (!time) break;
      runs.push_back(shown(zone, *time));
    }
    EXPECT_EQ(runs, row.runs) << row.rule << " in " << row.zone << " after " << row.after;
  }
}

TEST(NextRun, IsStrictlyAfterTheTime) {
  const Zone zone;
  const auto nightly = rule("30 2 * * *");
  EXPECT_EQ(next_run(nightly, zone, utc("2026-11-20 02:29:59")), utc("2026-11-20 02:30"));
  EXPECT_EQ(next_run(nightly, zone, utc("2026-11-20 02:30") - std::chrono::nanoseconds(1)),
            utc("2026-11-20 02:30"));
  EXPECT_EQ(next_run(nightly, zone, utc("2026-11-20 02:30")), utc("2026-11-21 02:30"));
  EXPECT_EQ(next_run(nightly, zone, utc("2026-11-20 02:30") + std::chrono::nanoseconds(1)),
            utc("2026-11-21 02:30"));
  const auto always = rule("* * * * *");
  EXPECT_EQ(next_run(always, zone, utc("2026-12-31 23:59:30")), utc("2027-01-01 00:00"));
  EXPECT_EQ(next_run(always, zone, utc("2026-12-31 23:59")), utc("2027-01-01 00:00"));
}

TEST(NextRun, FollowsTheFields) {
  expect_runs({
      {"Europe/Berlin",
       "30 2 * * *",
       "2026-11-20 12:00",
       {"2026-11-21 02:30 +0100", "2026-11-22 02:30 +0100"}},
      {"Europe/Berlin",
       "0 3 * * mon-fri",
       "2026-11-20 12:00",
       {"2026-11-23 03:00 +0100", "2026-11-24 03:00 +0100"}},
      {"Europe/Berlin",
       "0 0 31 * *",
       "2026-11-20 12:00",
       {"2026-12-31 00:00 +0100", "2027-01-31 00:00 +0100", "2027-03-31 00:00 +0200"}},
      {"Europe/Berlin",
       "15,45 22-23 * 12 sun",
       "2026-11-20 12:00",
       {"2026-12-06 22:15 +0100", "2026-12-06 22:45 +0100", "2026-12-06 23:15 +0100",
        "2026-12-06 23:45 +0100", "2026-12-13 22:15 +0100"}},
      {"Asia/Kolkata",
       "*/25 * * * *",
       "2026-11-20 12:00",
       {"2026-11-20 17:50 +0530", "2026-11-20 18:00 +0530", "2026-11-20 18:25 +0530"}},
      {"Asia/Kolkata", "@weekly", "2026-11-20 12:00", {"2026-11-22 00:00 +0530", "2026-11-29 00:00 +0530"}},
      {"UTC", "@yearly", "2026-11-20 12:00", {"2027-01-01 00:00 +0000", "2028-01-01 00:00 +0000"}},
      // One of the two days is enough where both are restricted; where one begins with an asterisk, both
      // count.
      {"UTC",
       "0 0 13 * fri",
       "2026-11-01 00:00",
       {"2026-11-06 00:00 +0000", "2026-11-13 00:00 +0000", "2026-11-20 00:00 +0000",
        "2026-11-27 00:00 +0000", "2026-12-04 00:00 +0000", "2026-12-11 00:00 +0000",
        "2026-12-13 00:00 +0000"}},
      {"UTC",
       "0 0 */13 * fri",
       "2026-01-01 00:00",
       {"2026-02-27 00:00 +0000", "2026-03-27 00:00 +0000", "2026-05-01 00:00 +0000",
        "2026-08-14 00:00 +0000"}},
  });
}

TEST(NextRun, KnowsLeapDays) {
  expect_runs({
      {"UTC", "0 5 29 2 *", "2026-01-01 00:00", {"2028-02-29 05:00 +0000", "2032-02-29 05:00 +0000"}},
      {"UTC", "0 5 29 2 *", "2096-03-01 00:00", {"2104-02-29 05:00 +0000"}},
      {"UTC", "0 5 */28 2 mon", "2026-01-01 00:00", {"2027-02-01 05:00 +0000", "2038-02-01 05:00 +0000"}},
      {"Europe/Berlin",
       "0 0 29 2 *",
       "2028-02-28 22:59:59",
       {"2028-02-29 00:00 +0100", "2032-02-29 00:00 +0100"}},
  });
}

TEST(NextRun, FindsALeapDayOfOneWeekdayOverTheCenturyThatHasNone) {
  config::CrontabRule seldom = rule("0 0 29 2 *");
  seldom.weekdays =
      1U << 1U;  // Mondays: crontab(5) has no way to ask for both, but the arithmetic knows no less
  EXPECT_EQ(next_run(seldom, Zone(), utc("2072-03-01 00:00")), utc("2112-02-29 00:00"));
}

TEST(NextRun, IsAbsentWhereTheRuleNeverComesOrTheCalendarEnds) {
  config::CrontabRule never = rule("0 0 30 * *");
  never.months = 1U << 2U;
  EXPECT_EQ(next_run(never, Zone(), utc("2026-01-01 00:00")), std::nullopt);
  EXPECT_EQ(next_run(config::CrontabRule(), Zone(), utc("2026-01-01 00:00")), std::nullopt);
  EXPECT_EQ(next_run(rule("* * * * *"), Zone(), WallTime::max()), std::nullopt);
  EXPECT_EQ(next_run(rule("0 0 1 1 *"), Zone::named("Europe/Berlin"), utc("2260-06-01 00:00")),
            utc("2260-12-31 23:00"));
  EXPECT_TRUE(next_run(rule("* * * * *"), Zone(), WallTime::min()));
  EXPECT_TRUE(next_run(rule("0 0 29 2 *"), Zone::named("Europe/Berlin"), WallTime()));
}

TEST(NextRun, OfATimeThatTheClocksLeaveOutIsWhenTheyAreSetForward) {
  expect_runs({
      {"Europe/Berlin",
       "30 2 * * *",
       "2026-03-28 00:00",
       {"2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
      {"Europe/Berlin",
       "0 2 * * *",
       "2026-03-29 00:00",
       {"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"}},
      {"Europe/Berlin",
       "0 3 * * *",
       "2026-03-29 00:00",
       {"2026-03-29 03:00 +0200", "2026-03-30 03:00 +0200"}},
      {"Europe/Berlin",
       "0 2,3 * * *",
       "2026-03-29 00:00",
       {"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"}},
      {"Europe/Berlin",
       "15,45 1-3 * * *",
       "2026-03-29 00:00",
       {"2026-03-29 01:15 +0100", "2026-03-29 01:45 +0100", "2026-03-29 03:00 +0200",
        "2026-03-29 03:15 +0200", "2026-03-29 03:45 +0200"}},
      {"Europe/Berlin",
       "*/10 2 * * *",
       "2026-03-29 00:00",
       {"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200", "2026-03-30 02:10 +0200"}},
      {"Europe/Berlin",
       "30 */2 * * *",
       "2026-03-29 00:00",
       {"2026-03-29 03:00 +0200", "2026-03-29 04:30 +0200"}},
      {"America/New_York",
       "30 2 * * *",
       "2026-03-08 05:00",
       {"2026-03-08 03:00 -0400", "2026-03-09 02:30 -0400"}},
      {"Australia/Lord_Howe",
       "15 2 * * *",
       "2026-10-03 00:00",
       {"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
      {"Australia/Lord_Howe",
       "45 2 * * *",
       "2026-10-03 00:00",
       {"2026-10-04 02:45 +1100", "2026-10-05 02:45 +1100"}},
      // Midnight itself was left out, so that the day began at one.
      {"America/Sao_Paulo",
       "0 0 * * *",
       "2018-11-03 12:00",
       {"2018-11-04 01:00 -0200", "2018-11-05 00:00 -0200"}},
      // A whole day was left out.
      {"Pacific/Apia",
       "30 2 * * *",
       "2011-12-29 13:00",
       {"2011-12-31 00:00 +1400", "2011-12-31 02:30 +1400"}},
      {"Pacific/Apia",
       "0 12 30 12 *",
       "2011-12-01 00:00",
       {"2011-12-31 00:00 +1400", "2012-12-30 12:00 +1400"}},
  });
}

TEST(NextRun, OfATimeThatTheClocksShowTwiceIsTheFirst) {
  expect_runs({
      {"Europe/Berlin",
       "30 2 * * *",
       "2026-10-24 12:00",
       {"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
      {"Europe/Berlin", "30 2 * * *", "2026-10-25 00:45", {"2026-10-26 02:30 +0100"}},
      {"Europe/Berlin", "30 2 * * *", "2026-10-25 01:15", {"2026-10-26 02:30 +0100"}},
      {"Europe/Berlin",
       "*/30 2 * * *",
       "2026-10-25 00:00",
       {"2026-10-25 02:30 +0200", "2026-10-26 02:00 +0100"}},
      {"Europe/Berlin",
       "30 1-3 * * *",
       "2026-10-24 23:00",
       {"2026-10-25 01:30 +0200", "2026-10-25 02:30 +0200", "2026-10-25 03:30 +0100"}},
      {"America/New_York",
       "0 1 * * *",
       "2026-11-01 00:00",
       {"2026-11-01 01:00 -0400", "2026-11-02 01:00 -0500"}},
      {"Australia/Lord_Howe",
       "45 1 * * *",
       "2026-04-04 12:00",
       {"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}},
      {"America/Sao_Paulo",
       "30 23 * * *",
       "2018-02-17 12:00",
       {"2018-02-17 23:30 -0200", "2018-02-18 23:30 -0300"}},
  });
}

TEST(NextRun, OfEveryHourGoesOnInRealTime) {
  expect_runs({
      {"Europe/Berlin",
       "30 * * * *",
       "2026-03-29 00:00",
       {"2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200", "2026-03-29 04:30 +0200"}},
      {"Europe/Berlin", "@hourly", "2026-03-29 00:00", {"2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
      {"Europe/Berlin",
       "*/20 * * * *",
       "2026-03-29 00:30",
       {"2026-03-29 01:40 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:20 +0200"}},
      {"Europe/Berlin",
       "30 * * * *",
       "2026-10-25 00:00",
       {"2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100", "2026-10-25 03:30 +0100"}},
      {"Europe/Berlin",
       "0 0-23 * * *",
       "2026-10-24 23:30",
       {"2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"}},
      {"Australia/Lord_Howe",
       "@hourly",
       "2026-10-03 14:00",
       {"2026-10-04 01:00 +1030", "2026-10-04 03:00 +1100"}},
      {"Australia/Lord_Howe",
       "45 * * * *",
       "2026-04-04 14:00",
       {"2026-04-05 01:45 +1100", "2026-04-05 01:45 +1030", "2026-04-05 02:45 +1030"}},
      {"Pacific/Apia",
       "0 * 29-30 12 *",
       "2011-12-30 08:00",
       {"2011-12-29 23:00 -1000", "2012-12-29 00:00 +1400"}},
  });
}

TEST(NextRun, IsAFunctionOfTheZone) {
  const auto nightly = rule("30 2 * * *");
  const WallTime now = utc("2026-07-01 12:00");
  EXPECT_EQ(next_run(nightly, Zone::named("Europe/Berlin"), now), utc("2026-07-02 00:30"));
  EXPECT_EQ(next_run(nightly, Zone::named("America/New_York"), now), utc("2026-07-02 06:30"));
}

TEST(MissedSlots, AreCountedAndTheLatestIsNamed) {
  const Zone zone = Zone::named("Europe/Berlin");
  const auto nightly = rule("30 2 * * *");
  const WallTime dealt_with = utc("2026-11-20 01:30");
  const auto missed = [&](const std::string& now) {
    return missed_slots(nightly, zone, dealt_with, utc(now));
  };
  EXPECT_EQ(missed("2026-11-20 01:30"), std::nullopt);
  EXPECT_EQ(missed("2026-11-21 01:29:59"), std::nullopt);
  EXPECT_EQ(missed("2026-11-21 01:30"), (MissedSlots{utc("2026-11-21 01:30"), 1}));
  EXPECT_EQ(missed("2026-11-24 12:00"), (MissedSlots{utc("2026-11-24 01:30"), 4}));
  EXPECT_EQ(missed("2026-11-01 00:00"), std::nullopt) << "the clock was set back";
}

TEST(MissedSlots, AreRightOverAGapAndAnOverlap) {
  const Zone zone = Zone::named("Europe/Berlin");
  EXPECT_EQ(missed_slots(rule("30 2 * * *"), zone, utc("2026-03-28 01:30"), utc("2026-03-29 01:00")),
            (MissedSlots{utc("2026-03-29 01:00"), 1}));
  EXPECT_EQ(missed_slots(rule("30 2 * * *"), zone, utc("2026-10-25 00:30"), utc("2026-10-25 12:00")),
            std::nullopt);
  EXPECT_EQ(missed_slots(rule("30 * * * *"), zone, utc("2026-10-25 00:30"), utc("2026-10-25 02:00")),
            (MissedSlots{utc("2026-10-25 01:30"), 1}));
}

TEST(MissedSlots, OfYearsOfEveryMinuteAreFoundWithoutAWalk) {
  const Zone zone = Zone::named("Europe/Berlin");
  EXPECT_EQ(missed_slots(rule("* * * * *"), zone, WallTime(), utc("2026-11-20 12:00:59")),
            (MissedSlots{utc("2026-11-20 12:00"), most_counted_slots}));
  EXPECT_EQ(missed_slots(rule("0 0 29 2 *"), zone, WallTime(), utc("2026-11-20 12:00")),
            (MissedSlots{utc("2024-02-28 23:00"), 14}));
}

TEST(MissedSlots, AreDealtWithOnceWhateverTheClockDoes) {
  const Zone zone = Zone::named("America/New_York");
  const auto often = rule("*/30 * * * *");
  WallTime dealt_with = utc("2026-11-01 00:00");
  std::vector<WallTime> runs;
  // Forward, back by more than was gained, a leap forward, back again.
  for (const int minute : {10, 31, 61, 45, 20, 59, 62, 95, 300, 100, 299, 301, 330}) {
    const WallTime now = utc("2026-11-01 00:00") + minutes(minute);
    const auto missed = missed_slots(often, zone, dealt_with, now);
    if (!missed) continue;
    EXPECT_GT(missed->latest, dealt_with);
    EXPECT_LE(missed->latest, now);
    dealt_with = missed->latest;
    runs.push_back(dealt_with);
  }
  const auto at = [](int minute) { return utc("2026-11-01 00:00") + minutes(minute); };
  EXPECT_EQ(runs, (std::vector<WallTime>{at(30), at(60), at(90), at(300), at(330)}));
}

TEST(RandomDelay, IsAPartOfTheLongest) {
  EXPECT_EQ(random_delay(minutes(10), 0.0), milliseconds(0));
  EXPECT_EQ(random_delay(minutes(10), 0.5), minutes(5));
  EXPECT_EQ(random_delay(minutes(10), 0.999), milliseconds(599'400));
  EXPECT_EQ(random_delay(milliseconds(0), 0.999), milliseconds(0));
}

}  // namespace
}  // namespace peerstage::daemon

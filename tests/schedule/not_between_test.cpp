#include "daemon/schedule/not_between.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/time_window.h"
#include "tests/schedule/rule.h"

namespace peerstage::daemon {
namespace {

using Texts = std::vector<std::string>;

std::vector<config::TimeWindow> windows(const Texts& texts) {
  std::vector<config::TimeWindow> result;
  for (const std::string& text : texts) result.push_back(config::as_time_window(text));
  return result;
}

std::string held(const Texts& texts, const std::string& zone_name, const std::string& now) {
  const Zone zone = Zone::named(zone_name);
  const auto until = held_until(windows(texts), zone, utc(now));
  return until ? shown(zone, *until) : "free";
}

TEST(HeldUntil, IsTheEndOfTheWindow) {
  const Texts office = {"08:00-18:00"};
  EXPECT_EQ(held({}, "UTC", "2026-11-20 12:00"), "free");
  EXPECT_EQ(held(office, "UTC", "2026-11-20 07:59:59"), "free");
  EXPECT_EQ(held(office, "UTC", "2026-11-20 08:00"), "2026-11-20 18:00 +0000");
  EXPECT_EQ(held(office, "UTC", "2026-11-20 17:59:59"), "2026-11-20 18:00 +0000");
  EXPECT_EQ(held(office, "UTC", "2026-11-20 18:00"), "free");
  EXPECT_EQ(held(office, "Asia/Kolkata", "2026-11-20 08:00"), "2026-11-20 18:00 +0530");
  EXPECT_EQ(held(office, "Asia/Kolkata", "2026-11-20 12:30"), "free");
}

TEST(HeldUntil, CountsFractionsOfASecondAsWithinTheSecond) {
  const auto until =
      held_until(windows({"08:00-18:00"}), Zone(), utc("2026-11-20 12:00:01") - std::chrono::nanoseconds(1));
  EXPECT_EQ(until, utc("2026-11-20 18:00"));
}

TEST(HeldUntil, GoesOverMidnight) {
  for (const char* now : {"2026-11-20 22:00", "2026-11-20 23:59:59", "2026-11-21 00:00", "2026-11-21 05:59"})
    EXPECT_EQ(held({"22:00-06:00"}, "UTC", now), "2026-11-21 06:00 +0000") << now;
  EXPECT_EQ(held({"22:00-06:00"}, "UTC", "2026-11-21 06:00"), "free");
  EXPECT_EQ(held({"22:00-24:00"}, "UTC", "2026-11-20 22:30"), "2026-11-21 00:00 +0000");
}

TEST(HeldUntil, JoinsWindowsThatTouchOrOverlap) {
  const Texts chain = {"20:00-23:00", "08:00-12:00", "22:00-02:00", "02:00-04:00", "09:00-10:00"};
  EXPECT_EQ(held(chain, "UTC", "2026-11-20 20:30"), "2026-11-21 04:00 +0000");
  EXPECT_EQ(held(chain, "UTC", "2026-11-20 09:30"), "2026-11-20 12:00 +0000");
  EXPECT_EQ(held(chain, "UTC", "2026-11-20 04:00"), "free");
  EXPECT_EQ(held(chain, "UTC", "2026-11-20 12:00"), "free");
}

TEST(HeldUntil, GoesByWhatTheClocksShowWhereTheyAreChanged) {
  const std::string berlin = "Europe/Berlin";
  // Set forward over the end of the window, and over what is free.
  EXPECT_EQ(held({"22:00-02:30"}, berlin, "2026-03-28 22:00"), "2026-03-29 03:00 +0200");
  EXPECT_EQ(held({"03:00-02:00"}, berlin, "2026-03-28 12:00"), "2026-03-30 02:00 +0200");
  EXPECT_EQ(held({"22:00-06:00"}, berlin, "2026-03-28 22:00"), "2026-03-29 06:00 +0200");
  // Set back into the window.
  EXPECT_EQ(held({"22:00-02:30"}, berlin, "2026-10-24 22:00"), "2026-10-25 02:30 +0200");
  EXPECT_EQ(held({"22:00-02:30"}, berlin, "2026-10-25 00:45"), "free");
  EXPECT_EQ(held({"22:00-02:30"}, berlin, "2026-10-25 01:00"), "2026-10-25 02:30 +0100");
  EXPECT_EQ(held({"22:00-06:00"}, berlin, "2026-10-24 22:00"), "2026-10-25 06:00 +0100");
  // A day that there was not.
  EXPECT_EQ(held({"22:00-06:00"}, "Pacific/Apia", "2011-12-30 09:00"), "2011-12-31 06:00 +1400");
}

TEST(HeldUntil, EndsAfterAWeekWhereNothingIsEverFree) {
  const std::vector<config::TimeWindow> whole = {{std::chrono::hours(0), std::chrono::hours(12)},
                                                 {std::chrono::hours(12), std::chrono::hours(0)}};
  EXPECT_EQ(held_until(whole, Zone(), utc("2026-11-20 00:00")), utc("2026-11-27 00:00"));
}

/// Whatever the zone does: the end is free, and nothing before it is. All windows and changes are at
/// quarters.
TEST(HeldUntil, IsTheFirstQuarterThatIsFree) {
  const auto some = windows({"21:15-01:45", "08:00-12:00", "11:00-13:30"});
  for (const char* name : {"Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"}) {
    const Zone zone = Zone::named(name);
    WallTime free = utc("2019-01-01 16:00");
    for (WallTime now = free; now > utc("2018-01-01 00:00"); now -= std::chrono::minutes(15)) {
      const auto until = held_until(some, zone, now);
      if (!until) free = now;
      ASSERT_EQ(until.value_or(now), free) << shown(zone, now);
    }
  }
}

}  // namespace
}  // namespace peerstage::daemon

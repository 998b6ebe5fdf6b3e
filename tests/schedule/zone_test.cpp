#include "daemon/schedule/zone.h"

#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/daemon/environment.h"
#include "tests/schedule/rule.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

namespace fs = std::filesystem;
using Kind = Zone::Moments::Kind;
using std::chrono::hours;
using std::chrono::minutes;

std::chrono::local_seconds local(const std::string& text) {
  return std::chrono::local_seconds(std::chrono::floor<std::chrono::seconds>(utc(text)).time_since_epoch());
}

TEST(Zone, KnowsWhatTheClocksLeaveOutAndShowTwice) {
  const Zone berlin = Zone::named("Europe/Berlin");
  const auto expect = [&](const std::string& time, Kind kind, const std::string& first,
                          const std::string& last) {
    const Zone::Moments moments = berlin.to_wall(local(time));
    EXPECT_EQ(moments.kind, kind) << time;
    EXPECT_EQ(moments.first, utc(first)) << time;
    EXPECT_EQ(moments.last, utc(last)) << time;
  };
  expect("2026-03-29 01:59:59", Kind::once, "2026-03-29 00:59:59", "2026-03-29 00:59:59");
  expect("2026-03-29 02:00", Kind::never, "2026-03-29 01:00", "2026-03-29 01:00");
  expect("2026-03-29 02:59:59", Kind::never, "2026-03-29 01:00", "2026-03-29 01:00");
  expect("2026-03-29 03:00", Kind::once, "2026-03-29 01:00", "2026-03-29 01:00");
  expect("2026-10-25 01:59:59", Kind::once, "2026-10-24 23:59:59", "2026-10-24 23:59:59");
  expect("2026-10-25 02:00", Kind::twice, "2026-10-25 00:00", "2026-10-25 01:00");
  expect("2026-10-25 02:59:59", Kind::twice, "2026-10-25 00:59:59", "2026-10-25 01:59:59");
  expect("2026-10-25 03:00", Kind::once, "2026-10-25 02:00", "2026-10-25 02:00");
}

TEST(Zone, SaysUntilWhenItsOffsetHolds) {
  const Zone::Period summer = Zone::named("Europe/Berlin").period_at(utc("2026-07-01 00:00"));
  EXPECT_EQ(summer.offset, hours(2));
  EXPECT_EQ(summer.abbreviation, "CEST");
  EXPECT_EQ(summer.end, utc("2026-10-25 01:00"));
  EXPECT_EQ(Zone().period_at(utc("2026-07-01 00:00")).end, WallTime::max());
  EXPECT_EQ(Zone::named("Asia/Kolkata").period_at(utc("2026-07-01 00:00")).end, WallTime::max());
}

TEST(Zone, GoesOnBehindTheTableOfTheDatabase) {
  const Zone berlin = Zone::named("Europe/Berlin");
  EXPECT_EQ(shown(berlin, utc("2060-07-01 00:00")), "2060-07-01 02:00 +0200");
  EXPECT_EQ(shown(berlin, utc("2060-12-01 00:00")), "2060-12-01 01:00 +0100");
}

TEST(Zone, HoldsAtTheEndsOfTheCalendar) {
  for (const Zone& zone :
       {Zone(), Zone::named("Europe/Berlin"), Zone::described("CET-1CEST,M3.5.0,M10.5.0/3")}) {
    EXPECT_LT(zone.to_local(WallTime::min()), zone.to_local(WallTime::max()));
    EXPECT_GT(zone.period_at(WallTime::max()).end, utc("2261-01-01 00:00"));
  }
}

TEST(Zone, ThatIsUnknownIsAnError) {
  for (const char* name : {"", "Europe/Nowhere", "../../etc/passwd", "tzdata.zi"})
    EXPECT_THROW(Zone::named(name), std::runtime_error) << name;
  for (const char* text : {"", "CET", "C-1", "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x", "CET-25",
                           "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,J366,J1",
                           "CET-1:60", "<CET-1", "CET--1", "Europe/Berlin", "CET-99999999999"})
    EXPECT_THROW(Zone::described(text), std::runtime_error) << text;
}

/// The C library reads the same descriptions.
void expect_what_the_library_shows(const Zone& zone, WallTime when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm expected{};
  ::localtime_r(&seconds, &expected);
  const Zone::Period period = zone.period_at(when);
  ASSERT_EQ(period.offset.count(), expected.tm_gmtoff) << zone.name() << " " << seconds;
  ASSERT_EQ(period.abbreviation, expected.tm_zone) << zone.name() << " " << seconds;
  ASSERT_GT(period.end, when);
}

/// Each few hours, and before and after each change to the second.
TEST(DescribedZone, ShowsWhatTheCLibraryShows) {
  constexpr auto step = hours(6);
  for (const char* text :
       {"UTC0", "JST-9", "<+0330>-3:30", "<-03>+03:00:00", "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0", "EST5EDT", "AEST-10AEDT,M10.1.0,M4.1.0/3",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "IST-2IDT,M3.4.4/26,M10.5.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "XXX3YYY,J60,J300/4:30",
        "XXX3YYY,59/0,299/1:02:03", "XXX-5YYY-7,M4.1.6/24,M9.3.3/0"}) {
    const Environment variable("TZ", text);
    ::tzset();
    const Zone zone = Zone::described(text);
    for (WallTime when = utc("2027-12-30 00:00"); when < utc("2029-02-01 00:00"); when += step) {
      ASSERT_NO_FATAL_FAILURE(expect_what_the_library_shows(zone, when));
      const WallTime change = zone.period_at(when).end;
      if (change > when + step) continue;
      ASSERT_NO_FATAL_FAILURE(expect_what_the_library_shows(zone, change - std::chrono::seconds(1)));
      ASSERT_NO_FATAL_FAILURE(expect_what_the_library_shows(zone, change));
    }
  }
}

TEST(DescribedZone, MayHaveASummerThatNeverEnds) {
  const Zone zone = Zone::described("EST5EDT,0/0,J365/25");
  for (WallTime when = utc("2026-12-25 00:00"); when < utc("2027-01-05 00:00"); when += hours(1))
    ASSERT_EQ(zone.period_at(when).offset, -hours(4));
}

class MachineZoneTest : public testing::Test {
 protected:
  /// The zone and what is said about it, with this variable and this file.
  MachineZone found(const char* tz = nullptr) const {
    return machine_zone({tz, directory_ / "localtime", directory_ / "timezone"});
  }
  void link_to(const std::string& target) const { fs::create_symlink(target, directory_ / "localtime"); }
  void copy_of(const std::string& name) const {
    fs::copy_file("/usr/share/zoneinfo/" + name, directory_ / "localtime");
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(MachineZoneTest, IsWhatTheVariableNames) {
  for (const char* tz : {"Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin",
                         ":/usr/share/zoneinfo/Europe/Berlin"}) {
    const MachineZone machine = found(tz);
    EXPECT_EQ(machine.zone.name(), "Europe/Berlin") << tz;
    EXPECT_EQ(machine.warning, "") << tz;
  }
  EXPECT_EQ(found("").zone.name(), "UTC");
  EXPECT_EQ(found("").warning, "");
}

TEST_F(MachineZoneTest, IsWhatTheVariableDescribes) {
  const MachineZone machine = found("CET-1CEST,M3.5.0,M10.5.0/3");
  EXPECT_EQ(machine.warning, "");
  EXPECT_EQ(machine.zone.period_at(utc("2026-07-01 00:00")).offset, hours(2));
}

TEST_F(MachineZoneTest, IsUtcWithAWarningWhereTheVariableMakesNoSense) {
  const MachineZone machine = found("Mars/Olympus\n");
  EXPECT_EQ(machine.zone.name(), "UTC");
  EXPECT_EQ(machine.warning,
            "The variable TZ holds Mars/Olympus\\x0a, which is neither a zone below /usr/share/zoneinfo nor "
            "described as in "
            "tzset(3), so that times are taken as UTC");
  EXPECT_EQ(found("/no/such/file").warning,
            "The zone file /no/such/file: No such file or directory, so that times are taken as UTC");
}

TEST_F(MachineZoneTest, IsThatOfTheLink) {
  link_to("/usr/share/zoneinfo/Europe/Oslo");
  EXPECT_EQ(found().zone.name(), "Europe/Oslo")
      << "by the name that the link has, not by what it is the same as";
  EXPECT_EQ(found().warning, "");
}

TEST_F(MachineZoneTest, IsThatOfALinkToALink) {
  fs::create_symlink("/usr/share/zoneinfo/Asia/Tokyo", directory_ / "other");
  link_to("other");
  EXPECT_EQ(found().zone.name(), "Asia/Tokyo");
  EXPECT_EQ(found().warning, "");
}

TEST_F(MachineZoneTest, IsUtcWithAWarningWhereTheLinkLeadsNowhere) {
  link_to("/usr/share/zoneinfo/Europe/Nowhere");
  EXPECT_EQ(found().zone.name(), "UTC");
  EXPECT_EQ(
      found().warning,
      (directory_ / "localtime") +
          " is a link to the zone Europe/Nowhere, which is not below /usr/share/zoneinfo (is the package "
          "tzdata installed?), so that times are taken as UTC");
}

TEST_F(MachineZoneTest, IsThatOfACopy) {
  copy_of("Asia/Kolkata");
  EXPECT_EQ(found().zone.period_at(utc("2026-07-01 00:00")).offset, hours(5) + minutes(30));
  EXPECT_EQ(found().warning, "");
}

TEST_F(MachineZoneTest, HasTheNameThatDebianWroteDownForACopy) {
  copy_of("Europe/Berlin");
  test::write_file(directory_ / "timezone", "Europe/Berlin\n");
  EXPECT_EQ(found().zone.name(), "Europe/Berlin");
  test::write_file(directory_ / "timezone", "Asia/Tokyo\n");
  EXPECT_EQ(found().zone.period_at(utc("2026-07-01 00:00")).offset, hours(2))
      << "the copy counts, not the name";
}

TEST_F(MachineZoneTest, IsDescribedByTheLastLineOfACopyThatTheDatabaseDoesNotHave) {
  copy_of("Europe/Berlin");
  std::string bytes = test::read_text(directory_ / "localtime");
  bytes[20] = 'x';  // RFC 9636 section 3.1: a reserved byte
  test::write_file(directory_ / "localtime", bytes);
  EXPECT_EQ(found().zone.name(), "CET-1CEST,M3.5.0,M10.5.0/3");
  EXPECT_EQ(found().warning, "");
}

TEST_F(MachineZoneTest, IsUtcWhereThereIsNoFile) {
  EXPECT_EQ(found().zone.name(), "UTC");
  EXPECT_EQ(found().warning, "");
}

TEST_F(MachineZoneTest, IsUtcWithAWarningWhereTheFileIsNone) {
  test::write_file(directory_ / "localtime", "Europe/Berlin\n");
  EXPECT_EQ(found().zone.name(), "UTC");
  EXPECT_EQ(found().warning, "The zone file " + (directory_ / "localtime") +
                                 " cannot be understood, so that times are taken as UTC");
}

TEST_F(MachineZoneTest, IsLookedUpAnewEachTime) {
  link_to("/usr/share/zoneinfo/Europe/Berlin");
  EXPECT_EQ(found().zone.name(), "Europe/Berlin");
  fs::remove(directory_ / "localtime");
  link_to("/usr/share/zoneinfo/America/New_York");
  EXPECT_EQ(found().zone.name(), "America/New_York");
}

}  // namespace
}  // namespace peerstage::daemon

#include "daemon/schedule/job_schedule.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/time_window.h"
#include "daemon/schedule/local_time.h"
#include "tests/schedule/rule.h"

namespace peerstage::daemon {
namespace {

config::Job job(const std::string& name, const std::string& schedule) {
  config::Job result;
  result.name = name;
  result.schedule = rule(schedule);
  result.actions = {"stage"};
  return result;
}

class Schedule : public testing::Test {
 protected:
  Schedule() {
    config::Job late = job("late", "0 1,9 * * *");
    late.full = true;
    late.random_delay = std::chrono::minutes(10);
    late.not_between = {config::as_time_window("08:00-12:00"), config::as_time_window("22:30-24:00")};
    schedules_ = {schedule_of(job("nightly", "30 2 * * *"), machine_.zone, now_, 3),
                  schedule_of(late, machine_.zone, now_, 2)};
  }

  const MachineZone machine_{Zone::named("Europe/Berlin"), ""};
  const WallTime now_ = utc("2026-10-24 00:29:58") + std::chrono::milliseconds(500);
  std::vector<JobSchedule> schedules_;
};

TEST_F(Schedule, IsShownJobByJob) {
  EXPECT_EQ(schedule_text(schedules_, machine_, now_),
            "Times are those of Europe/Berlin.\n"
            "\n"
            "nightly: stage at 30 2 * * *\n"
            "  Sat 2026-10-24 02:30 +0200  in 1.5 s\n"
            "  Sun 2026-10-25 02:30 +0200  in 1d00h\n"
            "  Mon 2026-10-26 02:30 +0100  in 2d01h\n"
            "\n"
            "late: stage at 0 1,9 * * *\n"
            "  as on the starting day of the week\n"
            "  begins up to 10m00s later, by chance\n"
            "  no transfer starts 08:00-12:00 or 22:30-24:00\n"
            "  Sat 2026-10-24 09:00 +0200  in 6h30m, transfers from Sat 2026-10-24 12:00 +0200\n"
            "  Sun 2026-10-25 01:00 +0200  in 22h30m\n");
}

TEST_F(Schedule, SaysThatAJobNeverRunsAgain) {
  const JobSchedule over = schedule_of(job("over", "0 0 1 1 *"), machine_.zone, utc("2261-06-01 00:00"), 5);
  EXPECT_EQ(schedule_text({over}, machine_, now_),
            "Times are those of Europe/Berlin.\n\nover: stage at 0 0 1 1 *\n  never again\n");
}

TEST_F(Schedule, IsOneJsonDocument) {
  const auto expected = nlohmann::json::parse(R"({
    "version": 1, "zone": "Europe/Berlin", "warning": null, "now": "2026-10-24T00:29:58Z",
    "jobs": [
      {"name": "nightly", "schedule": "30 2 * * *", "actions": ["stage"], "full": false, "random_delay_seconds": 0.0,
       "catch_up": true, "not_between": [],
       "runs": [{"local": "2026-10-24T02:30:00+02:00", "utc": "2026-10-24T00:30:00Z", "held_until": null},
                {"local": "2026-10-25T02:30:00+02:00", "utc": "2026-10-25T00:30:00Z", "held_until": null},
                {"local": "2026-10-26T02:30:00+01:00", "utc": "2026-10-26T01:30:00Z", "held_until": null}]},
      {"name": "late", "schedule": "0 1,9 * * *", "actions": ["stage"], "full": true, "random_delay_seconds": 600.0,
       "catch_up": true, "not_between": ["08:00-12:00", "22:30-24:00"],
       "runs": [{"local": "2026-10-24T09:00:00+02:00", "utc": "2026-10-24T07:00:00Z", "held_until": "2026-10-24T10:00:00Z"},
                {"local": "2026-10-25T01:00:00+02:00", "utc": "2026-10-24T23:00:00Z", "held_until": null}]}]})");
  EXPECT_EQ(nlohmann::json::parse(schedule_json(schedules_, machine_, now_)), expected);
}

TEST(LocalTime, IsWrittenWithItsOffset) {
  const WallTime when = utc("2026-11-20 23:05:09");
  EXPECT_EQ(readable_time(Zone::named("Asia/Kolkata"), when), "Sat 2026-11-21 04:35 +0530");
  EXPECT_EQ(readable_time(Zone::described("<-0330>3:30"), when), "Fri 2026-11-20 19:35 -0330");
  EXPECT_EQ(local_timestamp(Zone::described("<-0330>3:30"), when), "2026-11-20T19:35:09-03:30");
  EXPECT_EQ(local_timestamp(Zone(), when), "2026-11-20T23:05:09+00:00");
}

}  // namespace
}  // namespace peerstage::daemon

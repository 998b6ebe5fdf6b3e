#include "config/time_window.h"

#include <string>

#include <gtest/gtest.h>

#include "config/values.h"

namespace peerstage::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(TimeWindow, IsTwoTimesOfTheDay) {
  EXPECT_EQ(as_time_window("08:00-18:30"), (TimeWindow{hours(8), hours(18) + minutes(30)}));
  EXPECT_EQ(as_time_window("22:30-06:00"), (TimeWindow{hours(22) + minutes(30), hours(6)}));
  EXPECT_EQ(as_time_window("00:00-23:59"), (TimeWindow{hours(0), minutes(24 * 60 - 1)}));
  EXPECT_EQ(as_time_window("18:00-24:00"), (TimeWindow{hours(18), hours(0)}));
  EXPECT_EQ(as_time_window("18:00-00:00"), as_time_window("18:00-24:00"));
}

TEST(TimeWindow, IsRefusedWhereItIsEmptyOrWholeOrNone) {
  for (const char* text : {"", "-", "08:00", "8:00-18:00", "08:00-18:0", "08:00 - 18:00", "08:60-18:00",
                           "24:01-18:00", "25:00-26:00", "08.00-18.00", "08:00-18:00-19:00", "08:00-08:00",
                           "00:00-24:00", "24:00-08:00", "24:00-24:00", "-8:00-18:00", "0a:00-18:00"}) {
    EXPECT_THROW(as_time_window(text), BadValue) << text;
  }
}

TEST(TimeWindow, CoversTheDayOnlyTogetherWithOthers) {
  const auto covers = [](std::initializer_list<const char*> texts) {
    std::vector<TimeWindow> windows;
    for (const char* text : texts) windows.push_back(as_time_window(text));
    return cover_whole_day(windows);
  };
  EXPECT_FALSE(covers({}));
  EXPECT_FALSE(covers({"08:00-18:00"}));
  EXPECT_FALSE(covers({"08:00-18:00", "18:01-08:00"}));
  EXPECT_TRUE(covers({"08:00-18:00", "18:00-08:00"}));
  EXPECT_TRUE(covers({"06:00-22:00", "12:00-24:00", "00:00-06:00"}));
}

}  // namespace
}  // namespace peerstage::config

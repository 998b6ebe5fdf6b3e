#include "daemon/utc.h"

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using namespace std::chrono;
using Time = system_clock::time_point;

TEST(Utc, is_written_to_the_second) {
  EXPECT_EQ(utc(Time()), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc(sys_days(year(2028) / 2 / 29) + 23h + 59min + 59s + 999ms), "2028-02-29T23:59:59Z");
  EXPECT_EQ(utc(Time(-1ms)), "1969-12-31T23:59:59Z");
}

TEST(Utc, is_compact_in_names) {
  EXPECT_EQ(compact_utc(sys_days(year(2028) / 2 / 29) + 23h + 9min + 59s), "20280229T230959Z");
}

TEST(Utc, is_read_as_it_was_written) {
  for (const Time when : {Time(), Time(sys_days(year(2028) / 2 / 29) + 1h + 2min + 3s), Time(-100'000h)})
    EXPECT_EQ(parse_utc(utc(when)), when);
}

TEST(Utc, is_not_read_when_it_was_not_written_like_that) {
  for (const char* text :
       {"", "2026-11-20", "2026-11-20T02:30:00", "2026-11-20T02:30:00z", "2026-11-20 02:30:00Z",
        "2026-11-20T24:00:00Z", "2026-11-20T00:60:00Z", "2026-11-20T00:00:60Z", "2026-11-31T00:00:00Z",
        "2026-00-10T00:00:00Z", "2026-11-00T00:00:00Z", "+026-11-20T02:30:00Z", "2026-11-20T-2:30:00Z",
        "1677-12-31T00:00:00Z", "2262-01-01T00:00:00Z", "2026-11-20T02:30:00ZZ", "2026-11-20T02:30:0 Z"})
    EXPECT_EQ(parse_utc(text), std::nullopt) << text;
}

TEST(IsoDate, is_read_as_it_was_written) {
  EXPECT_EQ(iso_date(year(2026) / 1 / 2), "2026-01-02");
  EXPECT_EQ(parse_iso_date("2026-01-02"), year(2026) / 1 / 2);
  for (const char* text : {"", "2026-1-02", "2026-02-29", "2026/01/02", "2026-01-02 "})
    EXPECT_EQ(parse_iso_date(text), std::nullopt) << text;
}

TEST(IsoDate, is_refused_where_the_clock_has_no_room) {
  for (const char* text : {"1370-02-02", "1677-12-31", "2262-01-01", "9999-12-31"})
    EXPECT_EQ(parse_iso_date(text), std::nullopt) << text;
  for (const char* text : {"1678-01-01", "2261-12-31"}) EXPECT_NE(parse_iso_date(text), std::nullopt) << text;
}

}  // namespace
}  // namespace peerstage::daemon

#include "peers/purge/age.h"

#include <limits>

#include "purge_fixture.h"

namespace peerstage::peers::purge {
namespace {

constexpr std::time_t today = 1'800'000'000;
constexpr std::time_t day_seconds = 86'400;

struct AgeCase {
  const char* name;
  timespec then, now;
  std::int64_t days;
};

class Age : public ::testing::TestWithParam<AgeCase> {};

TEST_P(Age, counts_whole_days) {
  EXPECT_EQ(age_in_days(GetParam().then, GetParam().now), GetParam().days);
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, Age,
    ::testing::Values(
        AgeCase{"now", {today, 5}, {today, 5}, 0}, AgeCase{"ahead", {today + 1, 0}, {today, 0}, 0},
        AgeCase{"far_ahead", {std::numeric_limits<std::time_t>::max(), 0}, {today, 0}, 0},
        AgeCase{"a_nanosecond_less_than_a_day", {today, 1}, {today + day_seconds, 0}, 0},
        AgeCase{"a_day", {today, 1}, {today + day_seconds, 1}, 1},
        AgeCase{
            "a_nanosecond_less_than_a_week", {today, 999'999'999}, {today + 7 * day_seconds, 999'999'998}, 6},
        AgeCase{"a_week", {today, 0}, {today + 7 * day_seconds, 0}, 7},
        AgeCase{"before_the_epoch", {-day_seconds, 0}, {0, 0}, 1}),
    case_name);

TEST(AgeOfSomethingUnthinkable, does_not_overflow) {
  EXPECT_GT(age_in_days({std::numeric_limits<std::time_t>::min(), 0}, {today, 0}), 1'000'000);
}

/// The boundary on real files: which of the two times counts, and from when on.
struct BoundaryCase {
  const char* name;
  std::chrono::nanoseconds accessed, modified;  // ago
  std::int64_t retain_days;
  bool goes;
};

class Boundary : public PurgeTest, public ::testing::WithParamInterface<BoundaryCase> {};

TEST_P(Boundary, of_a_file) {
  const BoundaryCase& c = GetParam();
  const std::string path = temporary.write("top/file", "x");
  set_times(path, now - c.accessed, now - c.modified);
  const PurgeReport report = run(c.retain_days);
  EXPECT_EQ(fs::exists(path), !c.goes);
  EXPECT_EQ(report.directories.at(0).files, c.goes ? 1U : 0U);
}

TEST_P(Boundary, of_a_symlink) {
  const BoundaryCase& c = GetParam();
  fs::create_symlink("nowhere", top + "/link");
  set_times(top + "/link", now - c.accessed, now - c.modified);
  run(c.retain_days);
  EXPECT_EQ(fs::is_symlink(top + "/link"), !c.goes);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Boundary,
    ::testing::Values(BoundaryCase{"exactly", 7 * day, 7 * day, 7, true},
                      BoundaryCase{"a_nanosecond_less", 7 * day, 7 * day - 1ns, 7, false},
                      BoundaryCase{"read_a_nanosecond_too_late", 7 * day - 1ns, 30 * day, 7, false},
                      BoundaryCase{"two_minutes_less", 7 * day - 2min, 7 * day - 2min, 7, false},
                      BoundaryCase{"read_lately", 1 * day, 30 * day, 7, false},
                      BoundaryCase{"written_lately", 30 * day, 1 * day, 7, false},
                      BoundaryCase{"both_long_ago", 30 * day, 8 * day, 7, true},
                      BoundaryCase{"nothing_is_retained", 0ns, 0ns, 0, true},
                      BoundaryCase{"ahead_and_nothing_is_retained", -5 * day, 0ns, 0, true},
                      BoundaryCase{"ahead", -1s, 30 * day, 1, false},
                      BoundaryCase{"a_day_exactly", 1 * day, 1 * day, 1, true},
                      BoundaryCase{"a_millennium_is_retained", 90 * day, 90 * day, 365'000, false}),
    case_name);

}  // namespace
}  // namespace peerstage::peers::purge

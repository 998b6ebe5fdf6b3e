#include "daemon/day_marker_policy.h"

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using config::DailyIndicator;

constexpr PeerOfDay staged{.staged = true, .held = true};
constexpr PeerOfDay ignorable{.ignorable = true};
constexpr PeerOfDay failed_today{};
constexpr PeerOfDay failed_but_held{.held = true};
constexpr PeerOfDay held_not_selected{.held = true, .selected = false};
constexpr PeerOfDay missing_not_selected{.selected = false};

struct MarkerCase {
  const char* name;
  std::vector<PeerOfDay> peers;
  MarkerStep complete, any, always;
};

class DayMarker : public testing::TestWithParam<MarkerCase> {};

TEST_P(DayMarker, IsJudged) {
  EXPECT_EQ(judge_day(DailyIndicator::complete, GetParam().peers), GetParam().complete);
  EXPECT_EQ(judge_day(DailyIndicator::any, GetParam().peers), GetParam().any);
  EXPECT_EQ(judge_day(DailyIndicator::always, GetParam().peers), GetParam().always);
}

constexpr auto set = MarkerStep::set;
constexpr auto leave = MarkerStep::leave;
constexpr auto remove_it = MarkerStep::remove;

INSTANTIATE_TEST_SUITE_P(
    DayMarkerPolicy, DayMarker,
    testing::Values(MarkerCase{"AllStaged", {staged, staged}, set, set, set},
                    MarkerCase{"TheRestIsIgnorable", {staged, ignorable}, set, set, set},
                    MarkerCase{"OneFailed", {staged, failed_today}, remove_it, set, set},
                    MarkerCase{"OneFailedWhoseEarlierDataStands", {staged, failed_but_held}, leave, set, set},
                    MarkerCase{"AllFailed", {failed_today}, remove_it, leave, set},
                    MarkerCase{"OthersAreThereAlready", {staged, held_not_selected}, set, set, set},
                    MarkerCase{"OthersAreMissing", {staged, missing_not_selected}, remove_it, set, set}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace peerstage::daemon

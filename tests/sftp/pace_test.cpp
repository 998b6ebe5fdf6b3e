#include "peers/sftp/pace.h"

#include <gtest/gtest.h>

namespace peerstage::peers::sftp {
namespace {

using namespace std::chrono_literals;

TEST(Pace, FollowsTheRoundTripWithinItsBounds) {
  struct Case {
    std::chrono::nanoseconds round_trip;
    Pace pace;
  };
  constexpr std::size_t mib = 1U << 20U;
  const Case cases[] = {
      {-1ns, {2 * mib, 64, 16, mib / 4}},
      {0ns, {2 * mib, 64, 16, mib / 4}},
      {100us, {2 * mib, 64, 16, mib / 4}},
      {2ms, {2 * mib, 120, 16, mib / 4}},
      {4ms, {4'000'000, 240, 30, 2'000'000}},
      {10ms, {10'000'000, 600, 64, 5'000'000}},
      {50ms, {16 * mib, 900, 64, 8 * mib}},
      {1h, {16 * mib, 900, 64, 8 * mib}},
      {std::chrono::nanoseconds::max(), {16 * mib, 900, 64, 8 * mib}},
  };
  for (const Case& one : cases)
    EXPECT_EQ(pace_for(one.round_trip), one.pace) << one.round_trip.count() << " ns";
}

}  // namespace
}  // namespace peerstage::peers::sftp

#include "peers/sftp/pace.h"

#include <gtest/gtest.h>

namespace peerstage::peers::sftp {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t mib = 1U << 20U;

/// Brings so many bytes a second for so long, as often as something could be measured.
class Line {
 public:
  explicit Line(std::chrono::nanoseconds round_trip) : step_(std::max(round_trip, 10'000'000ns)) {
    gauge.answered_after(round_trip);
    gauge.received(0, now_);
  }
  void bring(std::uint64_t bytes_a_second, std::chrono::nanoseconds time) {
    for (const auto end = now_ + time; now_ < end;) {
      now_ += step_;
      bytes_ += bytes_a_second * static_cast<std::uint64_t>(step_.count()) / 1'000'000'000;
      gauge.received(bytes_, now_);
    }
  }
  LineGauge gauge;

 private:
  std::chrono::nanoseconds step_;
  LineGauge::Clock::time_point now_{1h};
  std::uint64_t bytes_ = 0;
};

TEST(Pace, BeginsByTheRoundTripAlone) {
  struct Case {
    std::chrono::nanoseconds round_trip;
    Pace pace;
  };
  const Case cases[] = {
      {-1ns, {2 * mib, 64, 16, mib / 4}},
      {0ns, {2 * mib, 64, 16, mib / 4}},
      {100us, {2 * mib, 64, 16, mib / 4}},
      {2ms, {2 * mib, 120, 16, mib / 4}},
      {4ms, {4'000'000, 240, 30, 4'000'000}},
      {10ms, {4 * mib, 600, 75, 4 * mib}},
      {50ms, {4 * mib, 900, 112, 4 * mib}},
      {1h, {4 * mib, 900, 112, 4 * mib}},
      {std::chrono::nanoseconds::max(), {4 * mib, 900, 112, 4 * mib}},
  };
  for (const Case& one : cases) {
    LineGauge gauge;
    gauge.answered_after(one.round_trip);
    EXPECT_EQ(gauge.pace(), one.pace) << one.round_trip.count() << " ns";
  }
}

TEST(Pace, IsThatOfTheShortestRoundTrip) {
  LineGauge gauge;
  gauge.answered_after(4ms);
  gauge.answered_after(1h);
  EXPECT_EQ(gauge.pace().files, 240U);
}

TEST(Pace, GrowsToTwiceWhatComesInARoundTripWithinItsBounds) {
  struct Case {
    std::chrono::nanoseconds round_trip;
    std::uint64_t bytes_a_second;
    std::size_t bytes;
  };
  const Case cases[] = {
      {50ms, 125'000'000, 12'500'000},  {150ms, 50'000'000, 15'000'000}, {50ms, 1'000'000, 4 * mib},
      {150ms, 1'000'000'000, 32 * mib}, {1ms, 1'000'000'000, 2 * mib},
  };
  for (const Case& one : cases) {
    Line line(one.round_trip);
    line.bring(one.bytes_a_second, 1s);
    EXPECT_EQ(line.gauge.pace().bytes, one.bytes) << one.round_trip.count() << " ns";
  }
}

TEST(Pace, FollowsALineThatBecomesSlowerAndForgetsNothingInAPause) {
  Line line(50ms);
  line.bring(200'000'000, 1s);
  line.gauge.rest();
  EXPECT_EQ(line.gauge.pace().bytes, 20'000'000U);
  line.bring(100'000'000, 100ms);
  EXPECT_GT(line.gauge.pace().bytes, 15'000'000U);
  line.bring(100'000'000, 2s);
  EXPECT_EQ(line.gauge.pace().bytes, 10'000'000U);
}

}  // namespace
}  // namespace peerstage::peers::sftp

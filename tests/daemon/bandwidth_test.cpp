#include "daemon/bandwidth.h"

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using Rates = std::vector<std::uint64_t>;

struct ShareCase {
  const char* name;
  std::uint64_t total;
  Rates limits, rates;
};

class Share : public testing::TestWithParam<ShareCase> {};

TEST_P(Share, Is) {
  std::vector<config::ByteCount> limits;
  for (const std::uint64_t limit : GetParam().limits) limits.push_back({limit});
  Rates rates;
  for (const config::ByteCount rate : share_bandwidth({GetParam().total}, limits))
    rates.push_back(rate.bytes);
  EXPECT_EQ(rates, GetParam().rates);
}

INSTANTIATE_TEST_SUITE_P(
    Bandwidth, Share,
    testing::Values(ShareCase{"NobodysOfNothing", 100, {}, {}},
                    ShareCase{"AllOfItForALoneOne", 100, {0}, {100}},
                    ShareCase{"EqualParts", 100, {0, 0, 0, 0}, {25, 25, 25, 25}},
                    ShareCase{"WithoutATotalEachHasItsOwn", 0, {0, 7, 0}, {0, 7, 0}},
                    ShareCase{"WhatOneCannotUseIsTheOthers", 100, {0, 10, 0}, {45, 10, 45}},
                    ShareCase{"AModestOneDoesNotHinderAnother", 100, {40, 10, 0}, {40, 10, 50}},
                    ShareCase{"ALimitAboveTheShareIsNone", 100, {80, 90}, {50, 50}},
                    ShareCase{"AllContent", 100, {10, 20}, {10, 20}},
                    ShareCase{"NoByteIsLost", 101, {0, 0}, {50, 51}},
                    ShareCase{"NobodyGetsNoLimitForNothing", 2, {0, 0, 0, 0}, {1, 1, 1, 1}},
                    ShareCase{"Huge", ~0ULL, {0, ~0ULL}, {~0ULL / 2, ~0ULL / 2 + 1}}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace peerstage::daemon

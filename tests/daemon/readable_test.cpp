#include "daemon/readable.h"

#include <limits>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;

struct Size {
  std::uint64_t bytes;
  const char* text;
};

class ReadableSize : public testing::TestWithParam<Size> {};

TEST_P(ReadableSize, is_short) {
  EXPECT_EQ(readable_size(GetParam().bytes), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(Readable, ReadableSize,
                         testing::Values(Size{0, "0 B"}, Size{1023, "1023 B"}, Size{1024, "1.0 KB"},
                                         Size{10'188, "9.9 KB"}, Size{10'189, "10 KB"},
                                         Size{1'047'000, "1022 KB"}, Size{1'048'575, "1.0 MB"},
                                         Size{3ULL << 30U, "3.0 GB"}, Size{5ULL << 40U, "5.0 TB"},
                                         Size{std::numeric_limits<std::uint64_t>::max(), "16 EB"}));

struct Duration {
  milliseconds duration;
  const char* text;
};

class ReadableDuration : public testing::TestWithParam<Duration> {};

TEST_P(ReadableDuration, is_short) {
  EXPECT_EQ(readable_duration(GetParam().duration), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Readable, ReadableDuration,
    testing::Values(Duration{milliseconds(0), "0.0 s"}, Duration{milliseconds(840), "0.8 s"},
                    Duration{milliseconds(9'949), "9.9 s"}, Duration{milliseconds(9'950), "10 s"},
                    Duration{milliseconds(59'499), "59 s"}, Duration{milliseconds(59'500), "1m00s"},
                    Duration{milliseconds(185'000), "3m05s"}, Duration{std::chrono::minutes(123), "2h03m"},
                    Duration{std::chrono::hours(97), "4d01h"}));

}  // namespace
}  // namespace peerstage::daemon

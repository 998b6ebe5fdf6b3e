#include <gtest/gtest.h>

#include "peers/staging/disk_space.h"
#include "peers/staging/file_modes.h"
#include "peers/staging/token_bucket.h"

namespace peerstage::peers::staging {
namespace {

using namespace std::chrono_literals;

struct ModeCase {
  const char* name;
  std::optional<unsigned> permissions;
  mode_t umask;
  std::uint32_t source;
  mode_t file, directory, top, manifest;
};

class Modes : public ::testing::TestWithParam<ModeCase> {};

TEST_P(Modes, follow_the_rule) {
  const ModeCase& c = GetParam();
  FileModes modes{std::nullopt, c.umask};
  if (c.permissions) modes.permissions = config::FileMode{*c.permissions};
  EXPECT_EQ(modes.file(c.source), c.file);
  EXPECT_EQ(modes.directory(c.source), c.directory);
  EXPECT_EQ(modes.top(), c.top);
  EXPECT_EQ(modes.manifest(), c.manifest);
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, Modes,
    ::testing::Values(ModeCase{"source_and_umask", {}, 022, 0666, 0644, 0744, 0755, 0640},
                      ModeCase{"setuid_goes", {}, 022, 07777, 0755, 0755, 0755, 0640},
                      ModeCase{"tight_umask", {}, 077, 0777, 0700, 0700, 0700, 0600},
                      ModeCase{"loose_umask", {}, 0, 0777, 0777, 0777, 0777, 0640},
                      ModeCase{"no_bits", {}, 022, 0, 0, 0700, 0755, 0640},
                      ModeCase{"configured", 0640, 022, 0777, 0640, 0750, 0755, 0640},
                      ModeCase{"configured_beats_umask", 0666, 077, 0, 0666, 0777, 0700, 0666},
                      ModeCase{"configured_read_only", 0400, 022, 0777, 0400, 0700, 0755, 0400}),
    case_name);

struct SpaceCase {
  const char* name;
  FreeSpace space;
  SpaceNeeded needed;
  config::MinimumFree minimum;
  const char* lacks;  // nullptr: it fits
};

class Space : public ::testing::TestWithParam<SpaceCase> {};

TEST_P(Space, is_enough_or_not) {
  const SpaceCase& c = GetParam();
  const auto lack = lack_of_space(c.space, c.needed, c.minimum);
  EXPECT_EQ(lack.has_value(), c.lacks != nullptr);
  if (c.lacks != nullptr) {
    EXPECT_NE(lack.value_or("").find(c.lacks), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, Space,
    ::testing::Values(
        SpaceCase{"fits", {1000, 10000, 100, 1000}, {500, 50}, 5.0, nullptr},
        SpaceCase{"fits_exactly", {1000, 10000, 100, 1000}, {500, 50}, config::ByteCount{500}, nullptr},
        SpaceCase{"one_byte_short", {1000, 10000, 100, 1000}, {501, 1}, config::ByteCount{500}, "bytes"},
        SpaceCase{"already_below_the_reserve", {400, 10000, 100, 1000}, {0, 0}, 5.0, "bytes"},
        SpaceCase{"inodes_short", {1000, 10000, 100, 1000}, {1, 51}, 5.0, "inodes"},
        SpaceCase{
            "a_size_reserves_no_inodes", {1000, 10000, 100, 1000}, {1, 100}, config::ByteCount{1}, nullptr},
        SpaceCase{"inodes_not_counted", {1000, 10000, 0, 0}, {1, 1000000}, 5.0, nullptr},
        SpaceCase{"huge", {~0ULL, ~0ULL, 100, 100}, {~0ULL, 1}, config::ByteCount{1}, "bytes"}),
    case_name);

TEST(TokenBucket, without_a_rate_never_waits) {
  TokenBucket bucket;
  bucket.take(1ULL << 40U, 0, {});
  EXPECT_EQ(bucket.wait(0, {}), 0ns);
}

TEST(TokenBucket, lets_a_tenth_of_a_second_through_and_then_keeps_the_rate) {
  TokenBucket bucket;
  const TokenBucket::Time start{1h};
  bucket.take(100, 1000, start);
  EXPECT_EQ(bucket.wait(1000, start), 0ns);
  bucket.take(500, 1000, start);
  EXPECT_EQ(bucket.wait(1000, start), 500ms);
  bucket.take(100, 1000, start + 500ms);
  EXPECT_EQ(bucket.wait(1000, start + 500ms), 100ms);
}

TEST(TokenBucket, does_not_save_up_for_longer) {
  TokenBucket bucket;
  const TokenBucket::Time start{1h};
  bucket.take(100, 1000, start);
  bucket.take(300, 1000, start + 10h);
  EXPECT_EQ(bucket.wait(1000, start + 10h), 200ms);
}

TEST(TokenBucket, follows_a_rate_that_changes_while_somebody_waits) {
  TokenBucket bucket;
  const TokenBucket::Time start{1h};
  bucket.take(1100, 1000, start);
  EXPECT_EQ(bucket.wait(1000, start), 1s);
  EXPECT_EQ(bucket.wait(1000, start + 500ms), 500ms);
  EXPECT_EQ(bucket.wait(5000, start + 500ms), 100ms);
  EXPECT_EQ(bucket.wait(100, start + 500ms), 5s);
}

TEST(TokenBucket, forgives_what_is_owed_when_there_is_no_limit_any_more) {
  TokenBucket bucket;
  const TokenBucket::Time start{1h};
  bucket.take(1'000'000, 1, start);
  EXPECT_EQ(bucket.wait(0, start), 0ns);
  EXPECT_EQ(bucket.wait(1, start), 0ns);
}

}  // namespace
}  // namespace peerstage::peers::staging

#include "daemon/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/watched_screen.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;
using testing::HasSubstr;

constexpr std::uint64_t MB = 1U << 20U;
const SteadyTime start{};

PeerProgress peer(const std::string& name, PeerPhase phase, Amount planned = {}, Amount arrived = {}) {
  return {name, phase, planned, arrived, {}, {}, {}};
}

PeerProgress transferring(const std::string& name, std::uint64_t bytes_per_second) {
  PeerProgress result = peer(name, PeerPhase::transferring, {10, 8 * MB}, {5, 2 * MB});
  result.rate.sample(0, start);
  result.rate.sample(bytes_per_second, start + 1s);
  return result;
}

PeerProgress put_off(const std::string& name, SteadyTime again_at) {
  PeerProgress result = peer(name, PeerPhase::put_off);
  result.again_at = again_at;
  return result;
}

struct Picture {
  const char* name;
  std::vector<PeerProgress> peers;
  ScreenSize size;
  Lines lines;
};

class Rendered : public testing::TestWithParam<Picture> {};

TEST_P(Rendered, shows) {
  EXPECT_EQ(render(GetParam().peers, {}, GetParam().size, start), GetParam().lines);
}

const std::vector<Picture> pictures{
    {"waiting",
     {peer("a", PeerPhase::waiting)},
     {80, 24},
     {"a      waiting", "total  0 of 1 peers, 0 B of at least 0 B"}},
    {"connecting",
     {peer("a", PeerPhase::connecting)},
     {80, 24},
     {"a      connecting", "total  0 of 1 peers, 0 B of at least 0 B"}},
    {"transferring_without_a_rate_yet",
     {peer("a", PeerPhase::transferring, {10, 8 * MB}, {5, 2 * MB})},
     {80, 24},
     {"a      25%, 5 of 10 files, 2.0 MB of 8.0 MB", "total  0 of 1 peers, 2.0 MB of 8.0 MB"}},
    {"transferring_with_rate_and_time_left",
     {transferring("a", MB)},
     {80, 24},
     {"a      25%, 5 of 10 files, 2.0 MB of 8.0 MB, 1.0 MB/s, 6.0 s left",
      "total  0 of 1 peers, 2.0 MB of 8.0 MB"}},
    {"stalled_has_no_time_left",
     {transferring("a", 0)},
     {80, 24},
     {"a      25%, 5 of 10 files, 2.0 MB of 8.0 MB, 0 B/s", "total  0 of 1 peers, 2.0 MB of 8.0 MB"}},
    {"nothing_to_fetch",
     {peer("a", PeerPhase::transferring)},
     {80, 24},
     {"a      100%, 0 of 0 files, 0 B of 0 B", "total  0 of 1 peers, 0 B of 0 B"}},
    {"more_than_planned",
     {peer("a", PeerPhase::transferring, {1, 10}, {1, 20})},
     {80, 24},
     {"a      100%, 1 of 1 files, 20 B of 10 B", "total  0 of 1 peers, 20 B of 10 B"}},
    {"put_off",
     {put_off("a", start + 24500ms)},
     {80, 24},
     {"a      again in 25 s", "total  0 of 1 peers, 0 B of at least 0 B"}},
    {"put_off_and_overdue",
     {put_off("a", start - 3s)},
     {80, 24},
     {"a      again in 0.0 s", "total  0 of 1 peers, 0 B of at least 0 B"}},
    {"finished_peers_have_no_line",
     {peer("a", PeerPhase::finished, {1, 5}, {1, 5}), peer("b", PeerPhase::connecting)},
     {80, 24},
     {"b      connecting", "total  1 of 2 peers, 5 B of at least 5 B"}},
    {"active_before_put_off_before_waiting",
     {peer("a", PeerPhase::waiting), put_off("b", start + 15s), peer("c", PeerPhase::connecting)},
     {80, 24},
     {"c      connecting", "b      again in 15 s", "a      waiting",
      "total  0 of 3 peers, 0 B of at least 0 B"}},
    {"as_many_rows_as_needed",
     {peer("a", PeerPhase::waiting), peer("b", PeerPhase::waiting)},
     {80, 4},
     {"a      waiting", "b      waiting", "total  0 of 2 peers, 0 B of at least 0 B"}},
    {"one_row_too_few",
     {peer("a", PeerPhase::waiting), peer("b", PeerPhase::waiting), peer("c", PeerPhase::connecting)},
     {80, 4},
     {"c      connecting", "… 2 more", "total  0 of 3 peers, 0 B of at least 0 B"}},
    {"room_for_the_total_only",
     {peer("a", PeerPhase::connecting)},
     {80, 2},
     {"total  0 of 1 peers, 0 B of at least 0 B"}},
    {"narrow", {peer("a", PeerPhase::connecting)}, {12, 24}, {"a     conne…", "tot…  0 of …"}},
    {"long_name",
     {peer("0123456789", PeerPhase::connecting)},
     {24, 24},
     {"0123456…  connecting", "total     0 of 1 peers,…"}},
    {"one_column", {peer("a", PeerPhase::connecting)}, {1, 24}, {"…", "…"}},
};

INSTANTIATE_TEST_SUITE_P(Progress, Rendered, testing::ValuesIn(pictures),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(TotalText, has_time_left_once_every_peer_has_told_its_size) {
  RateMeter rate;
  rate.sample(0, start);
  rate.sample(MB, start + 1s);
  const PeerProgress known = peer("a", PeerPhase::transferring, {10, 8 * MB}, {5, 2 * MB});
  EXPECT_EQ(total_text({known}, rate), "0 of 1 peers, 2.0 MB of 8.0 MB, 1.0 MB/s, 6.0 s left");
  EXPECT_EQ(total_text({known, peer("b", PeerPhase::waiting)}, rate),
            "0 of 2 peers, 2.0 MB of at least 8.0 MB, 1.0 MB/s");
}

struct Smoothing {
  const char* name;
  double rate, measured;
  std::chrono::duration<double> elapsed;
  double result;
};

class SmoothedRate : public testing::TestWithParam<Smoothing> {};

TEST_P(SmoothedRate, moves_towards_what_was_measured) {
  const auto& [name, rate, measured, elapsed, result] = GetParam();
  EXPECT_NEAR(smoothed_rate(rate, measured, elapsed), result, 0.01);
}

INSTANTIATE_TEST_SUITE_P(Progress, SmoothedRate,
                         testing::Values(Smoothing{"no_time", 100, 500, 0s, 100},
                                         Smoothing{"steady", 100, 100, 3s, 100},
                                         Smoothing{"after_five_seconds", 0, 100, 5s, 63.21},
                                         Smoothing{"stalled_for_five_seconds", 100, 0, 5s, 36.79},
                                         Smoothing{"for_a_long_time", 0, 100, 100s, 100}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(SmoothedRateInSteps, is_that_of_one_long_step) {
  const double two_steps = smoothed_rate(smoothed_rate(10, 70, 1s), 70, 2s);
  EXPECT_NEAR(two_steps, smoothed_rate(10, 70, 3s), 0.001);
}

struct Left {
  const char* name;
  std::uint64_t bytes;
  std::optional<double> rate;
  std::optional<std::chrono::seconds> left;
};

class TimeLeft : public testing::TestWithParam<Left> {};

TEST_P(TimeLeft, is) {
  EXPECT_EQ(time_left(GetParam().bytes, GetParam().rate), GetParam().left);
}

INSTANTIATE_TEST_SUITE_P(Progress, TimeLeft,
                         testing::Values(Left{"exact", 100, 10.0, 10s}, Left{"rounded_up", 101, 10.0, 11s},
                                         Left{"nothing_left", 0, 10.0, 0s},
                                         Left{"no_rate_yet", 100, std::nullopt, std::nullopt},
                                         Left{"stalled", 100, 0.0, std::nullopt},
                                         Left{"nobody_knows", ~std::uint64_t{0}, 1.0, std::nullopt}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(RateMeter, says_nothing_before_the_second_sample) {
  RateMeter meter;
  EXPECT_EQ(meter.bytes_per_second(), std::nullopt);
  meter.sample(5, start);
  EXPECT_EQ(meter.bytes_per_second(), std::nullopt);
}

TEST(RateMeter, leaves_samples_that_come_too_fast_for_the_next) {
  RateMeter meter;
  meter.sample(0, start);
  meter.sample(1000, start + 100ms);
  EXPECT_EQ(meter.bytes_per_second(), std::nullopt);
  meter.sample(1000, start + 1s);
  EXPECT_EQ(meter.bytes_per_second(), 1000.0);
}

TEST(RateMeter, starts_again_when_the_total_shrinks) {
  RateMeter meter;
  meter.sample(0, start);
  meter.sample(1000, start + 1s);
  meter.sample(10, start + 2s);
  EXPECT_EQ(meter.bytes_per_second(), std::nullopt);
  meter.sample(30, start + 3s);
  EXPECT_EQ(meter.bytes_per_second(), 20.0);
}

PeerReport report(const std::string& name, PeerStatus status, unsigned attempts) {
  PeerReport result;
  result.name = name;
  result.status = status;
  result.files = 12;
  result.bytes = 3 * MB;
  result.attempts = attempts;
  result.duration = 840ms;
  return result;
}

TEST(FinishedText, says_what_stands_and_how_long_it_took) {
  EXPECT_EQ(finished_text(report("a", PeerStatus::staged, 1)), "a: staged, 12 files, 3.0 MB, 0.8 s");
  EXPECT_EQ(finished_text(report("a", PeerStatus::unchanged, 1)), "a: unchanged, 12 files, 3.0 MB, 0.8 s");
  EXPECT_EQ(finished_text(report("a", PeerStatus::failed, 4)), "a: failed, 4 attempts, 0.8 s");
  EXPECT_EQ(finished_text(report("a", PeerStatus::not_ready, 1)), "a: not_ready, 0.8 s");
}

TEST(ProgressStyle, depends_on_the_screen_and_on_what_was_asked_for) {
  WatchedScreen pipe(WatchedScreen::Kind::pipe);
  WatchedScreen terminal(WatchedScreen::Kind::terminal);
  using C = ProgressChoice;
  using V = Verbosity;
  using S = ProgressStyle;
  EXPECT_EQ(progress_style(C::automatic, V::errors, terminal.screen()), S::live);
  EXPECT_EQ(progress_style(C::automatic, V::verbose, terminal.screen()), S::live);
  EXPECT_EQ(progress_style(C::automatic, V::quiet, terminal.screen()), S::none);
  EXPECT_EQ(progress_style(C::automatic, V::errors, pipe.screen()), S::plain);
  EXPECT_EQ(progress_style(C::automatic, V::quiet, pipe.screen()), S::none);
  EXPECT_EQ(progress_style(C::always, V::quiet, pipe.screen()), S::plain);
  EXPECT_EQ(progress_style(C::always, V::quiet, terminal.screen()), S::live);
  EXPECT_EQ(progress_style(C::never, V::verbose, terminal.screen()), S::none);
}

TEST(PlainProgress, has_a_line_for_each_finished_peer_and_a_total_every_ten_seconds) {
  WatchedScreen watched(WatchedScreen::Kind::pipe);
  ProgressDisplay display(watched.screen(), ProgressStyle::plain, {"a", "b"}, start);
  display.started(0);
  display.planned(0, {12, 3 * MB});
  display.tick(start + 9900ms);
  EXPECT_EQ(watched.shown(), "");
  display.progress(0, {1, MB});
  display.tick(start + 10s);
  EXPECT_THAT(watched.shown(), testing::StartsWith("0 of 2 peers, 1.0 MB of at least 3.0 MB"));
  display.finished(0, report("a", PeerStatus::staged, 1));
  EXPECT_EQ(watched.shown(), "a: staged, 12 files, 3.0 MB, 0.8 s\n");
}

TEST(PlainProgress, is_silent_while_nothing_runs) {
  WatchedScreen watched(WatchedScreen::Kind::pipe);
  ProgressDisplay display(watched.screen(), ProgressStyle::plain, {"a"}, start);
  display.put_off(0, 1h, start);
  display.tick(start + 60s);
  EXPECT_EQ(watched.shown(), "");
}

TEST(NoProgress, is_silent) {
  WatchedScreen watched(WatchedScreen::Kind::terminal);
  ProgressDisplay display(watched.screen(), ProgressStyle::none, {"a"}, start);
  display.started(0);
  display.tick(start + 60s);
  display.finished(0, report("a", PeerStatus::staged, 1));
  display.close();
  EXPECT_EQ(watched.shown(), "");
}

TEST(LiveProgress, is_redrawn_at_most_ten_times_a_second) {
  WatchedScreen watched(WatchedScreen::Kind::terminal);
  ProgressDisplay display(watched.screen(), ProgressStyle::live, {"a"}, start);
  display.tick(start + 99ms);
  EXPECT_EQ(watched.shown(), "");
  display.tick(start + 100ms);
  EXPECT_THAT(watched.shown(), HasSubstr("a      waiting\n"));
  display.started(0);
  display.tick(start + 199ms);
  EXPECT_EQ(watched.shown(), "");
  display.tick(start + 200ms);
  EXPECT_THAT(watched.shown(), HasSubstr("a      connecting\n"));
}

TEST(LiveProgress, leaves_only_the_lines_of_finished_peers_behind) {
  WatchedScreen watched(WatchedScreen::Kind::terminal);
  ProgressDisplay display(watched.screen(), ProgressStyle::live, {"a"}, start);
  display.tick(start + 1s);
  watched.shown();
  display.finished(0, report("a", PeerStatus::failed, 1));
  EXPECT_THAT(watched.shown(), testing::StartsWith("\x1b[2F\x1b[Ja: failed, 0.8 s\n"));
  display.close();
  EXPECT_EQ(watched.shown(), "\x1b[2F\x1b[J");
  display.tick(start + 9s);
  EXPECT_EQ(watched.shown(), "");
}

TEST(ProgressOfARetry, counts_on_from_what_the_attempt_before_fetched) {
  WatchedScreen watched(WatchedScreen::Kind::pipe);
  ProgressDisplay display(watched.screen(), ProgressStyle::plain, {"a"}, start);
  display.started(0);
  display.planned(0, {4, 8 * MB});
  display.progress(0, {1, 2 * MB});
  display.put_off(0, 1s, start + 1s);
  display.started(0);
  display.planned(0, {3, 6 * MB});
  display.progress(0, {1, 1 * MB});
  display.tick(start + 10s);
  EXPECT_THAT(watched.shown(), testing::StartsWith("0 of 1 peers, 3.0 MB of 8.0 MB"));
}

TEST(ProgressOfAFailedPeer, does_not_wait_for_what_will_not_come) {
  WatchedScreen watched(WatchedScreen::Kind::pipe);
  ProgressDisplay display(watched.screen(), ProgressStyle::plain, {"a", "b"}, start);
  for (const std::size_t each : {0U, 1U}) {
    display.started(each);
    display.planned(each, {1, 8 * MB});
    display.progress(each, {0, 2 * MB});
  }
  display.finished(0, report("a", PeerStatus::failed, 1));
  watched.shown();
  display.tick(start + 10s);
  EXPECT_THAT(watched.shown(), testing::StartsWith("1 of 2 peers, 4.0 MB of 10 MB"));
}

}  // namespace
}  // namespace peerstage::daemon

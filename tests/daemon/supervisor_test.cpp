#include "daemon/supervisor.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/daemon/pool_recorder.h"
#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Rates = std::map<std::size_t, std::uint64_t>;

/// A supervisor of scripted workers, on time that a test lets pass.
class SupervisorOnPaper : public testing::Test {
 protected:
  Supervisor& start(const std::vector<PoolPeer>& peers, ScriptedWorkers::Write write) {
    workers.emplace(timeline, std::move(write));
    supervisor.emplace(peers, limits, timeline, *workers, recorder, 1);
    recorder.on_finish = [this](std::size_t peer) { ends[peer] = timeline.elapsed(); };
    supervisor->start();
    return *supervisor;
  }
  void run_to_the_end() {
    while (!recorder.is_over && timeline.step(hours(24 * 30))) {
    }
    EXPECT_TRUE(recorder.is_over);
  }
  const PeerOutcome& outcome(std::size_t peer) { return recorder.outcomes.at(peer); }

  SimulatedTimeline timeline;
  PoolLimits limits;
  PoolRecorder recorder;
  std::optional<ScriptedWorkers> workers;
  std::optional<Supervisor> supervisor;
  std::map<std::size_t, std::chrono::nanoseconds> ends;
};

TEST_F(SupervisorOnPaper, APoolOfNobodyIsOverWhenItBegins) {
  start({}, [](std::size_t, unsigned) { return Script::hangs(); });
  EXPECT_FALSE(recorder.is_over) << "nothing is told from within the call";
  run_to_the_end();
  EXPECT_EQ(timeline.elapsed(), seconds(0));
}

TEST_F(SupervisorOnPaper, AFailedPeerGoesBehindTheOthers) {
  limits.parallel = 1;
  start(pool_of(3), [](std::size_t peer, unsigned attempt) {
    return peer == 0 && attempt == 1 ? Script::fails(FailureKind::transient) : Script::succeeds(seconds(1));
  });
  run_to_the_end();
  EXPECT_EQ(recorder.order, (std::vector<std::size_t>{1, 2, 0}));
}

TEST_F(SupervisorOnPaper, AProcessThatCannotBeStartedIsTriedAgain) {
  start(pool_of(2), [](std::size_t, unsigned) { return Script::succeeds(); });
  workers->fail_to_start = 2;
  run_to_the_end();
  EXPECT_EQ(outcome(0).attempts, 2U);
  EXPECT_EQ(outcome(0).result.failure, std::nullopt);
}

TEST_F(SupervisorOnPaper, OneThatIsNotReadyHoldsNoPlaceWhileItIsWaitedFor) {
  limits.parallel = 1;
  auto peers = pool_of(2);
  peers[0].settings.wait_for_collect = hours(1);
  peers[0].settings.poll_interval = minutes(1);
  start(peers, [](std::size_t peer, unsigned attempt) {
    return peer == 0 && attempt < 10 ? Script::fails(FailureKind::not_ready) : Script::succeeds(seconds(30));
  });
  run_to_the_end();
  EXPECT_EQ(ends[1], seconds(30));
  EXPECT_EQ(ends[0], minutes(9) + seconds(30));
  EXPECT_EQ(outcome(0).attempts, 1U);
}

TEST_F(SupervisorOnPaper, OneThatNeverComesIsNotReadyWhenTheWaitEnds) {
  auto peers = pool_of(1);
  peers[0].settings.wait_for_collect = minutes(10);
  peers[0].settings.poll_interval = minutes(4);
  start(peers, [](std::size_t, unsigned) { return Script::fails(FailureKind::not_ready); });
  run_to_the_end();
  EXPECT_EQ(outcome(0).result.failure, FailureKind::not_ready);
  EXPECT_EQ(ends[0], minutes(10));
  EXPECT_EQ(recorder.starts.size(), 4U) << "at 0, 4, 8 and 10 minutes";
}

TEST_F(SupervisorOnPaper, APeerThatIsWaitedForUntilItsDeadlineWasNotReady) {
  auto peers = pool_of(1);
  peers[0].settings.deadline = minutes(1);
  peers[0].settings.wait_for_collect = peers[0].settings.poll_interval = hours(1);
  start(peers, [](std::size_t, unsigned) { return Script::fails(FailureKind::not_ready); });
  run_to_the_end();
  EXPECT_EQ(recorder.put_offs, 1);
  EXPECT_EQ(outcome(0).result.failure, FailureKind::not_ready);
  EXPECT_EQ(outcome(0).result.message, "so it goes");
  EXPECT_EQ(ends[0], minutes(1));
}

// --- groups

TEST_F(SupervisorOnPaper, AGroupHasItsLimitAndHindersNoOtherPeer) {
  limits.parallel = 4;
  limits.groups = {{"vm", 2}};
  limits.stall_time = hours(1);
  auto peers = pool_of(7);
  for (std::size_t peer = 0; peer < 5; ++peer) peers[peer].group = peer < 3 ? "rack" : "vm";
  start(peers, [](std::size_t, unsigned) { return Script::succeeds(seconds(10)); });
  timeline.pass(seconds(1));
  EXPECT_EQ(workers->running, (std::set<std::size_t>{0, 3, 4, 5}));
  run_to_the_end();
  EXPECT_EQ(ends[1], seconds(20));
  EXPECT_EQ(ends[2], seconds(30));
  EXPECT_EQ(ends[6], seconds(20));
}

TEST_F(SupervisorOnPaper, OneThatWaitsForItsNextAttemptHoldsNoPlaceOfItsGroup) {
  auto peers = pool_of(2);
  peers[0].group = peers[1].group = "rack";
  peers[0].settings.retry_delay = minutes(5);
  start(peers, [](std::size_t peer, unsigned attempt) {
    return peer == 0 && attempt == 1 ? Script::fails(FailureKind::transient) : Script::succeeds(seconds(10));
  });
  run_to_the_end();
  EXPECT_EQ(ends[1], seconds(10));
}

// --- windows in which nothing starts

TEST_F(SupervisorOnPaper, NothingStartsInAWindowAndWhatRunsGoesOn) {
  const Timeline::Wall begin = timeline.wall_now() + seconds(5), end = begin + hours(8);
  limits.parallel = 1;
  limits.held_until = [&](Timeline::Wall now) {
    return now >= begin && now < end ? std::optional(end) : std::nullopt;
  };
  start(pool_of(2), [](std::size_t, unsigned) { return Script::succeeds(seconds(10)); });
  run_to_the_end();
  EXPECT_EQ(ends[0], seconds(10));
  EXPECT_EQ(ends[1], hours(8) + seconds(15));
  EXPECT_EQ(recorder.holds, (std::vector<std::optional<Timeline::Wall>>{end, std::nullopt}));
}

TEST_F(SupervisorOnPaper, AClockThatIsSetOpensAWindow) {
  const Timeline::Wall end = timeline.wall_now() + hours(8);
  limits.held_until = [&](Timeline::Wall now) { return now < end ? std::optional(end) : std::nullopt; };
  start(pool_of(1), [](std::size_t, unsigned) { return Script::succeeds(); });
  timeline.pass(minutes(1));
  timeline.set_wall(end - hours(1));
  timeline.pass(minutes(1));
  EXPECT_TRUE(recorder.starts.empty()) << "it was looked at, and is still closed";
  timeline.set_wall(end);
  timeline.pass(seconds(0));
  EXPECT_TRUE(recorder.is_over);
}

TEST_F(SupervisorOnPaper, TimeHeldBackCountsNeitherAsWaitingNorAgainstTheDeadline) {
  const Timeline::Wall begin = timeline.wall_now() + minutes(5), end = begin + hours(8);
  limits.held_until = [&](Timeline::Wall now) {
    return now >= begin && now < end ? std::optional(end) : std::nullopt;
  };
  auto peers = pool_of(2);
  for (PoolPeer& peer : peers) peer.settings.poll_interval = minutes(4);
  peers[0].settings.wait_for_collect = minutes(20);
  peers[1].settings.wait_for_collect = hours(1);
  peers[1].settings.deadline = minutes(20);
  start(peers, [](std::size_t, unsigned) { return Script::fails(FailureKind::not_ready); });
  run_to_the_end();
  // Looks at 0, 4 and 8 minutes, the last of them held back until the end of the window.
  EXPECT_EQ(ends[0], minutes(20) + hours(8) - minutes(3));
  EXPECT_EQ(ends[1], minutes(20) + hours(8) - minutes(3));
}

TEST_F(SupervisorOnPaper, TheDeadlineOfAPeerThatIsAtWorkIsKeptInAWindowToo) {
  const Timeline::Wall begin = timeline.wall_now() + minutes(5);
  limits.held_until = [&](Timeline::Wall now) {
    return now >= begin ? std::optional(begin + hours(8)) : std::nullopt;
  };
  auto peers = pool_of(1);
  peers[0].settings.deadline = hours(1);
  start(peers, [](std::size_t, unsigned) { return Script::hangs(); });
  run_to_the_end();
  EXPECT_EQ(ends[0], hours(1));
}

// --- those that hang

TEST_F(SupervisorOnPaper, AWorkerThatHangsLendsItsPlace) {
  limits.parallel = 2;
  auto peers = pool_of(100);
  for (PoolPeer& peer : peers) peer.settings.deadline = hours(1);
  start(peers, [](std::size_t peer, unsigned) {
    return peer % 10 == 0 ? Script::hangs() : Script::succeeds(seconds(1));
  });
  run_to_the_end();
  std::chrono::nanoseconds last{0};
  for (std::size_t peer = 0; peer < 100; ++peer) {
    if (peer % 10 != 0) last = std::max(last, ends[peer]);
  }
  // Two places may be lent; more hang than that, and then it is for their deadlines to end them.
  EXPECT_EQ(workers->most_running, 4U);
  EXPECT_GT(last, hours(1));
}

TEST_F(SupervisorOnPaper, TenThatHangDelayAHundredBySeconds) {
  limits.parallel = 8;
  auto peers = pool_of(100);
  for (PoolPeer& peer : peers) peer.settings.deadline = hours(1);
  start(peers, [](std::size_t peer, unsigned) {
    return peer < 10 ? Script::hangs() : Script::succeeds(seconds(1));
  });
  run_to_the_end();
  const auto good_ones_alone = seconds(12);
  std::chrono::nanoseconds last{0};
  for (std::size_t peer = 10; peer < 100; ++peer) last = std::max(last, ends[peer]);
  EXPECT_LE(last, good_ones_alone + 2 * limits.stall_time + seconds(4));
  EXPECT_EQ(ends[0], hours(1));
  EXPECT_EQ(workers->most_running, 16U);
}

TEST_F(SupervisorOnPaper, AWorkerThatMovesAgainCountsAgain) {
  limits.parallel = 1;
  start(pool_of(3), [](std::size_t peer, unsigned) {
    if (peer > 0) return Script::succeeds(seconds(10));
    Script script;
    script.say(seconds(7), WorkProgress{1, 1});
    for (int i = 0; i < 20; ++i) script.say(seconds(1), WorkProgress{1, 1});
    script.say(seconds(1), WorkResult{});
    return script;
  });
  timeline.pass(seconds(6));
  EXPECT_EQ(workers->running, (std::set<std::size_t>{0, 1}));
  timeline.pass(seconds(12));
  EXPECT_EQ(workers->running, (std::set<std::size_t>{0})) << "the place of the second is taken back";
  run_to_the_end();
  EXPECT_EQ(recorder.order, (std::vector<std::size_t>{1, 0, 2}));
}

// --- bandwidth

TEST_F(SupervisorOnPaper, TheBandwidthIsSharedAmongThoseAtWork) {
  limits.bandwidth = {1000};
  auto peers = pool_of(3);
  peers[2].settings.bandwidth_limit = {100};
  start(peers, [](std::size_t peer, unsigned) { return Script::succeeds(seconds(peer + 1)); });
  timeline.pass(milliseconds(500));
  EXPECT_EQ(workers->rates, (Rates{{0, 450}, {1, 450}, {2, 100}}));
  timeline.pass(seconds(1));
  EXPECT_EQ(workers->rates, (Rates{{1, 900}, {2, 100}}));
  timeline.pass(seconds(1));
  EXPECT_EQ(workers->rates, (Rates{{2, 100}}));
}

TEST_F(SupervisorOnPaper, ALoneWorkerGetsAllOfTheBandwidth) {
  limits.bandwidth = {1000};
  start(pool_of(1), [](std::size_t, unsigned) { return Script::hangs(); });
  timeline.pass(seconds(1));
  EXPECT_EQ(workers->rates, (Rates{{0, 1000}}));
}

TEST_F(SupervisorOnPaper, WithoutALimitOfTheRunEachPeerHasItsOwn) {
  auto peers = pool_of(2);
  peers[1].settings.bandwidth_limit = {100};
  start(peers, [](std::size_t, unsigned) { return Script::hangs(); });
  timeline.pass(seconds(1));
  EXPECT_EQ(workers->rates, (Rates{{0, 0}, {1, 100}}));
}

TEST_F(SupervisorOnPaper, WhatAStalledWorkerDoesNotUseIsForTheOthers) {
  limits.bandwidth = {1000};
  start(pool_of(2), [](std::size_t peer, unsigned) {
    Script script;
    for (int i = 0; i < 100 && peer == 0; ++i) script.say(seconds(1), WorkProgress{1, 1});
    if (peer == 1) script.say(seconds(8), WorkProgress{1, 1});
    return script;
  });
  timeline.pass(seconds(6));
  EXPECT_EQ(workers->rates, (Rates{{0, 990}, {1, 10}}));
  timeline.pass(seconds(3));
  EXPECT_EQ(workers->rates, (Rates{{0, 500}, {1, 500}}));
}

// --- the end

TEST_F(SupervisorOnPaper, AnInterruptionCancelsWhatIsNotDone) {
  limits.parallel = 2;
  Supervisor& pool = start(pool_of(4), [](std::size_t peer, unsigned) {
    return peer == 0 ? Script::succeeds(seconds(1)) : Script::hangs();
  });
  timeline.pass(seconds(2));
  EXPECT_EQ(pool.interrupt(), RunEnd::interrupted);
  EXPECT_TRUE(workers->running.empty());
  ASSERT_EQ(recorder.outcomes.size(), 4U);
  EXPECT_FALSE(outcome(0).cancelled);
  for (std::size_t peer = 1; peer < 4; ++peer) EXPECT_TRUE(outcome(peer).cancelled);
  timeline.pass(hours(1));
  EXPECT_FALSE(recorder.is_over) << "whoever interrupts knows";
  EXPECT_EQ(timeline.alarms(), 0U);
}

TEST_F(SupervisorOnPaper, AnInterruptionBeforeTheBeginningCancelsAll) {
  Supervisor& pool = start(pool_of(2), [](std::size_t, unsigned) { return Script::succeeds(); });
  EXPECT_EQ(pool.interrupt(), RunEnd::interrupted);
  EXPECT_TRUE(outcome(0).cancelled && outcome(1).cancelled);
  EXPECT_EQ(timeline.alarms(), 0U);
}

TEST_F(SupervisorOnPaper, AnInterruptionThatComesTooLateInterruptsNothing) {
  Supervisor& pool = start(pool_of(1), [](std::size_t, unsigned) { return Script::succeeds(seconds(1)); });
  while (recorder.order.empty()) timeline.step();
  EXPECT_EQ(pool.interrupt(), RunEnd::complete);
  timeline.pass(seconds(1));
  EXPECT_FALSE(recorder.is_over);
}

TEST_F(SupervisorOnPaper, OneThatIsDestroyedLeavesNothingBehind) {
  start(pool_of(3), [](std::size_t, unsigned) { return Script::hangs(); });
  timeline.pass(seconds(1));
  supervisor.reset();
  EXPECT_TRUE(workers->running.empty());
  EXPECT_EQ(timeline.alarms(), 0U);
  EXPECT_TRUE(recorder.order.empty());
}

}  // namespace
}  // namespace peerstage::daemon

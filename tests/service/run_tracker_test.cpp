#include "daemon/service/run_tracker.h"

#include <gtest/gtest.h>

#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

class RunTrackerTest : public testing::Test {
 protected:
  RunTrackerTest() {
    RunReport report;
    report.id = "the-run";
    report.peers.resize(3);
    tracker_.begun(report);
  }

  void finish(std::size_t peer, PeerStatus status) {
    PeerReport report;
    report.status = status;
    tracker_.finished(peer, report);
  }

  SimulatedTimeline timeline_;
  ServiceRun run_;
  ServiceCounters counters_;
  RunTracker tracker_{timeline_, run_, counters_};
};

TEST_F(RunTrackerTest, TheRunIsTheSumOfItsPeers) {
  EXPECT_EQ(run_.id, "the-run");
  EXPECT_EQ(run_.peers, 3U);
  EXPECT_EQ(run_.unplanned, 3U);
  tracker_.planned(0, {10, 1000});
  tracker_.planned(2, {1, 5});
  tracker_.progress(0, {3, 400});
  tracker_.progress(0, {5, 600});
  tracker_.progress(2, {1, 5});
  EXPECT_EQ(run_.unplanned, 1U);
  EXPECT_EQ(run_.planned.files, 11U);
  EXPECT_EQ(run_.planned.bytes, 1005U);
  EXPECT_EQ(run_.arrived.files, 6U);
  EXPECT_EQ(run_.arrived.bytes, 605U);
  EXPECT_EQ(counters_.files_received, 6U);
  EXPECT_EQ(counters_.bytes_received, 605U);
}

TEST_F(RunTrackerTest, WhatAnEarlierAttemptFetchedStays) {
  tracker_.planned(0, {10, 1000});
  tracker_.progress(0, {4, 400});
  tracker_.put_off(0, {}, {});
  tracker_.planned(0, {6, 600});
  EXPECT_EQ(run_.planned.bytes, 1000U);
  EXPECT_EQ(run_.arrived.bytes, 400U);
  tracker_.progress(0, {6, 600});
  EXPECT_EQ(run_.arrived.bytes, 1000U);
  EXPECT_EQ(counters_.bytes_received, 1000U);
  EXPECT_EQ(counters_.files_received, 10U);
}

TEST_F(RunTrackerTest, PeersThatAreDoneAreCountedByHowTheyEnded) {
  tracker_.planned(0, {1, 1});
  finish(0, PeerStatus::staged);
  finish(1, PeerStatus::failed);
  finish(2, PeerStatus::not_ready);
  EXPECT_EQ(run_.done, 3U);
  EXPECT_EQ(run_.failed, 1U);
  EXPECT_EQ(run_.not_ready, 1U);
  EXPECT_EQ(run_.unplanned, 0U) << "who is done tells no size any more";
}

TEST_F(RunTrackerTest, ItIsKnownWhenTransfersAreHeldBackAndUntilWhen) {
  const auto until = timeline_.wall_now() + std::chrono::hours(1);
  tracker_.held(until);
  EXPECT_EQ(run_.held_until, until);
  tracker_.held(std::nullopt);
  EXPECT_EQ(run_.held_until, std::nullopt);
}

TEST_F(RunTrackerTest, TheRateIsThatOfTheWholeRun) {
  tracker_.tick();
  for (std::uint64_t second = 1; second <= 30; ++second) {
    timeline_.pass(std::chrono::seconds(1));
    tracker_.progress(0, {0, second * 1000});
    tracker_.progress(1, {0, second * 2000});
    tracker_.tick();
  }
  ASSERT_TRUE(run_.bytes_per_second.has_value());
  EXPECT_NEAR(*run_.bytes_per_second, 3000, 300);
}

}  // namespace
}  // namespace peerstage::daemon

#include "daemon/service/peer_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using C = PeerCondition;
using peers::Failure;
using peers::FailureKind;
using testing::ElementsAre;
using testing::IsEmpty;

class BookOfPeers : public testing::Test {
 protected:
  BookOfPeers() { configure({"web1", "db"}); }

  void configure(const std::vector<std::string>& names) {
    std::vector<config::StagePeer> peers;
    for (const auto& name : names) peers.emplace_back().name = name;
    book_.configure(peers, 36h);
  }

  RunReport report(const std::string& id, const std::vector<std::string>& names = {"web1", "db"}) const {
    RunReport report;
    report.id = id;
    report.started = report.finished = now();
    for (const auto& name : names) report.peers.emplace_back().name = name;
    return report;
  }

  static PeerReport result(const std::string& name, PeerStatus status, std::uint64_t files = 0) {
    PeerReport report;
    report.name = name;
    report.status = status;
    report.files = files;
    report.bytes = files * 100;
    report.attempts = 2;
    report.duration = 3s;
    if (status == PeerStatus::failed) report.failure = Failure{FailureKind::transient, "no line to " + name};
    return report;
  }

  /// A whole run, in which each peer ends like that.
  void run(const std::string& id, const std::vector<PeerStatus>& statuses) {
    RunReport of_run = report(id);
    book_.begun(of_run);
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      of_run.peers[i] = result(of_run.peers[i].name, statuses[i], 7);
      book_.finished(i, of_run.peers[i]);
    }
    timeline_.pass(1min);
    of_run.finished = now();
    book_.ended(of_run);
  }

  WallTime now() const { return timeline_.wall_now(); }
  ServicePeer peer(std::size_t i, std::optional<WallTime> held_until = {}) const {
    return book_.peers(now(), held_until).at(i);
  }
  std::vector<PeerCondition> conditions() const {
    std::vector<PeerCondition> result;
    for (const auto& each : book_.peers(now())) result.push_back(each.condition);
    return result;
  }

  SimulatedTimeline timeline_;
  PeerBook book_{timeline_};
};

TEST_F(BookOfPeers, holds_what_is_configured) {
  config::StagePeer remote;
  remote.name = "web1";
  remote.group = "rack1";
  remote.ssh.emplace();
  book_.configure({remote}, 36h);
  const auto peers = book_.peers(now());
  ASSERT_EQ(peers.size(), 1U);
  EXPECT_EQ(peers[0].name, "web1");
  EXPECT_EQ(peers[0].type, PeerType::remote);
  EXPECT_EQ(peers[0].group, "rack1");
  EXPECT_EQ(peers[0].condition, C::never_staged);
  EXPECT_FALSE(peers[0].last_good);
}

TEST_F(BookOfPeers, knows_what_the_catalog_knows) {
  PeerHistory past;
  past.name = "db";
  past.last_good = now() - 48h;
  past.files = 5, past.bytes = 50;
  past.last = result("db", PeerStatus::failed);
  past.failures_since = 2;
  PeerHistory gone;
  gone.name = "gone";
  book_.remember({gone, past});
  EXPECT_THAT(conditions(), ElementsAre(C::never_staged, C::failed));
  const ServicePeer db = peer(1);
  EXPECT_EQ(db.last_good, now() - 48h);
  EXPECT_TRUE(db.stale);
  EXPECT_EQ(db.files, 5U);
  EXPECT_EQ(db.bytes, 50U);
  EXPECT_EQ(db.last_failure->message, "no line to db");
  EXPECT_EQ(db.last_attempts, 2U);
  EXPECT_EQ(db.last_duration, 3s);
  EXPECT_EQ(db.failures_since, 2U);
}

struct End {
  const char* name;
  PeerStatus status;
  PeerCondition condition;  ///< when it is the first run
  bool good;
};

class EndOfARun : public BookOfPeers, public testing::WithParamInterface<End> {};

TEST_P(EndOfARun, decides_how_a_peer_stands) {
  run("1", {GetParam().status, PeerStatus::staged});
  EXPECT_EQ(peer(0).condition, GetParam().condition);
  EXPECT_EQ(peer(0).last_status, GetParam().status);
  EXPECT_EQ(peer(0).last_good, GetParam().good ? std::optional(now()) : std::nullopt);
  EXPECT_EQ(peer(0).files, GetParam().good ? 7U : 0U);
  EXPECT_EQ(peer(0).failures_since, GetParam().good ? 0U : 1U);
  EXPECT_EQ(peer(0).last_attempts, 2U);
  EXPECT_EQ(peer(0).attempt, 0U);
}

INSTANTIATE_TEST_SUITE_P(BookOfPeers, EndOfARun,
                         testing::Values(End{"staged", PeerStatus::staged, C::good, true},
                                         End{"unchanged", PeerStatus::unchanged, C::good, true},
                                         End{"not_ready", PeerStatus::not_ready, C::not_ready, false},
                                         End{"ignored", PeerStatus::ignored, C::ignored, false},
                                         End{"failed", PeerStatus::failed, C::failed, false},
                                         End{"cancelled", PeerStatus::cancelled, C::cancelled, false}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(BookOfPeers, keeps_the_last_good_stage_through_failures) {
  run("1", {PeerStatus::staged, PeerStatus::staged});
  const WallTime good = now();
  timeline_.pass(1h);
  run("2", {PeerStatus::failed, PeerStatus::staged});
  run("3", {PeerStatus::not_ready, PeerStatus::staged});
  EXPECT_EQ(peer(0).last_good, good);
  EXPECT_EQ(peer(0).files, 7U);
  EXPECT_EQ(peer(0).failures_since, 2U);
  EXPECT_FALSE(peer(0).last_failure);
  run("4", {PeerStatus::unchanged, PeerStatus::staged});
  EXPECT_EQ(peer(0).failures_since, 0U);
  EXPECT_EQ(peer(0).last_good, now());
}

TEST_F(BookOfPeers, calls_a_peer_stale_after_its_time) {
  run("1", {PeerStatus::staged, PeerStatus::staged});
  timeline_.pass(36h);
  EXPECT_FALSE(peer(0).stale);
  EXPECT_EQ(peer(0).condition, C::good);
  timeline_.pass(1s);
  EXPECT_TRUE(peer(0).stale);
  EXPECT_EQ(peer(0).condition, C::stale);
}

TEST_F(BookOfPeers, gives_a_new_peer_as_much_time_whatever_the_wall_clock_does) {
  timeline_.set_wall(now() + 24h * 365);
  EXPECT_FALSE(peer(0).stale);
  timeline_.pass(36h);
  EXPECT_FALSE(peer(0).stale);
  timeline_.pass(1s);
  EXPECT_TRUE(peer(0).stale);
  EXPECT_EQ(peer(0).condition, C::never_staged);
}

TEST_F(BookOfPeers, calls_none_stale_without_a_limit) {
  book_.configure({{}}, 0s);
  timeline_.pass(24h * 365);
  EXPECT_FALSE(peer(0).stale);
}

TEST_F(BookOfPeers, follows_a_run) {
  EXPECT_FALSE(book_.run());
  book_.begun(report("1"));
  EXPECT_THAT(conditions(), ElementsAre(C::waiting, C::waiting));
  EXPECT_EQ(book_.run()->id, "1");
  EXPECT_EQ(book_.run()->peers, 2U);
  EXPECT_EQ(book_.run()->unplanned, 2U);

  book_.started(0, 1);
  EXPECT_THAT(conditions(), ElementsAre(C::connecting, C::waiting));
  book_.planned(0, {10, 1'000});
  book_.progress(0, {4, 400});
  EXPECT_THAT(conditions(), ElementsAre(C::transferring, C::waiting));
  EXPECT_EQ(peer(0).attempt, 1U);
  EXPECT_EQ(peer(0).planned.bytes, 1'000U);
  EXPECT_EQ(peer(0).arrived.files, 4U);
  EXPECT_EQ(book_.run()->unplanned, 1U);

  book_.finished(0, result("web1", PeerStatus::failed));
  EXPECT_THAT(conditions(), ElementsAre(C::failed, C::waiting));
  const ServiceRun run = *book_.run();
  EXPECT_EQ(run.done, 1U);
  EXPECT_EQ(run.failed, 1U);
  EXPECT_EQ(run.planned.bytes, 400U) << "what a failed peer did not deliver will not come any more";
  EXPECT_EQ(run.arrived.bytes, 400U);
}

TEST_F(BookOfPeers, says_why_a_peer_is_put_off_and_until_when) {
  book_.begun(report("1"));
  book_.started(0, 1);
  WorkResult late;
  late.failure = FailureKind::not_ready;
  late.message = "no cback.collect";
  book_.put_off(0, late, 30s);
  EXPECT_EQ(peer(0).condition, C::put_off);
  EXPECT_EQ(peer(0).again_at, now() + 30s);
  EXPECT_EQ(peer(0).put_off_because->message, "no cback.collect");
  book_.started(0, 2);
  EXPECT_EQ(peer(0).attempt, 2U);
  EXPECT_FALSE(peer(0).again_at);
  EXPECT_FALSE(peer(0).put_off_because);
}

TEST_F(BookOfPeers, counts_what_earlier_attempts_fetched) {
  book_.begun(report("1"));
  book_.started(0, 1);
  book_.planned(0, {10, 1'000});
  book_.progress(0, {4, 400});
  book_.put_off(0, {}, 30s);
  book_.started(0, 2);
  book_.planned(0, {6, 600});
  book_.progress(0, {1, 100});
  EXPECT_EQ(book_.run()->planned.bytes, 1'000U);
  EXPECT_EQ(book_.run()->arrived.bytes, 500U);
  EXPECT_EQ(book_.received().files, 5U);
  EXPECT_EQ(book_.received().bytes, 500U);
}

TEST_F(BookOfPeers, shows_peers_at_rest_as_paused_while_no_transfer_may_start) {
  book_.begun(report("1", {"web1", "db"}));
  book_.started(0, 1);
  book_.put_off(1, {}, 30s);
  EXPECT_EQ(peer(0, now() + 6h).condition, C::connecting);
  EXPECT_EQ(peer(1, now() + 6h).condition, C::paused);
  EXPECT_EQ(peer(1, now() + 6h).again_at, now() + 6h);
  EXPECT_EQ(peer(1, now() + 1s).again_at, now() + 30s);
}

TEST_F(BookOfPeers, knows_how_fast_a_run_is) {
  book_.begun(report("1"));
  book_.started(0, 1);
  book_.planned(0, {1, 1'000'000});
  for (std::uint64_t second = 0; second <= 5; ++second) {
    book_.progress(0, {0, second * 1'000});
    book_.tick();
    timeline_.pass(1s);
  }
  EXPECT_NEAR(book_.run()->bytes_per_second.value_or(0), 1'000, 1);
}

TEST_F(BookOfPeers, is_stale_while_a_run_has_it_until_it_is_good) {
  timeline_.pass(37h);
  book_.begun(report("1"));
  EXPECT_TRUE(peer(0).stale);
  EXPECT_EQ(peer(0).condition, C::waiting);
  book_.finished(0, result("web1", PeerStatus::staged));
  EXPECT_FALSE(peer(0).stale);
  EXPECT_EQ(peer(0).condition, C::good);
}

TEST_F(BookOfPeers, goes_on_with_a_run_that_was_interrupted) {
  RunReport interrupted = report("1");
  book_.begun(interrupted);
  interrupted.peers[0] = result("web1", PeerStatus::staged);
  book_.finished(0, interrupted.peers[0]);
  book_.finished(1, result("db", PeerStatus::cancelled));
  book_.ended(interrupted);
  EXPECT_EQ(peer(1).failures_since, 1U);

  book_.begun(interrupted);
  EXPECT_THAT(conditions(), ElementsAre(C::good, C::waiting));
  EXPECT_EQ(book_.run()->done, 1U);
  book_.finished(0, interrupted.peers[0]);
  EXPECT_EQ(book_.run()->done, 1U);
  book_.finished(1, result("db", PeerStatus::failed));
  EXPECT_EQ(peer(1).failures_since, 1U) << "it is one run";
}

TEST_F(BookOfPeers, learns_from_the_report_what_was_done_before_it_was_made) {
  RunReport interrupted = report("1");
  interrupted.peers[0] = result("web1", PeerStatus::staged, 7);
  book_.begun(interrupted);
  EXPECT_EQ(peer(0).last_good, interrupted.started);
  EXPECT_EQ(peer(0).files, 7U);
}

TEST_F(BookOfPeers, keeps_what_it_knows_when_it_is_configured_anew) {
  run("1", {PeerStatus::failed, PeerStatus::staged});
  configure({"new", "db"});
  EXPECT_THAT(conditions(), ElementsAre(C::never_staged, C::good));
  configure({"web1"});
  EXPECT_THAT(conditions(), ElementsAre(C::never_staged)) << "it was forgotten when it went";
  configure({});
  EXPECT_THAT(book_.peers(now()), IsEmpty());
}

TEST_F(BookOfPeers, can_be_configured_anew_while_a_run_has_others) {
  book_.begun(report("1"));
  book_.started(1, 1);
  configure({"db", "new"});
  EXPECT_THAT(conditions(), ElementsAre(C::connecting, C::never_staged));
  book_.finished(0, result("web1", PeerStatus::staged));
  book_.finished(1, result("db", PeerStatus::staged));
  EXPECT_THAT(conditions(), ElementsAre(C::good, C::never_staged));
  EXPECT_EQ(book_.run()->done, 2U);
}

TEST_F(BookOfPeers, has_peers_of_its_own_that_a_run_leaves_alone) {
  book_.begun(report("1", {"db"}));
  EXPECT_THAT(conditions(), ElementsAre(C::never_staged, C::waiting));
  RunReport end = report("1", {"db"});
  book_.ended(end);
  EXPECT_THAT(conditions(), ElementsAre(C::never_staged, C::never_staged));
  EXPECT_FALSE(book_.run());
}

TEST_F(BookOfPeers, bears_a_run_that_could_not_begin) {
  RunReport locked = report("1", {});
  locked.error = RunError{RunError::Reason::locked, "no"};
  book_.ended(locked);
  EXPECT_THAT(conditions(), ElementsAre(C::never_staged, C::never_staged));
}

TEST(BookOfManyPeers, costs_the_same_a_record_however_many_there_are) {
  SimulatedTimeline timeline;
  PeerBook book(timeline);
  std::vector<config::StagePeer> configured(10'000);
  RunReport report;
  for (std::size_t i = 0; i < configured.size(); ++i)
    report.peers.emplace_back().name = configured[i].name = "peer" + std::to_string(i);
  book.configure(configured, 36h);
  book.begun(report);
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < configured.size(); ++i) {
    book.started(i, 1);
    book.planned(i, {100, 100});
    for (std::uint64_t files = 0; files <= 100; ++files) {
      book.progress(i, {files, files});
      book.tick();
    }
  }
  const auto each = (std::chrono::steady_clock::now() - begin) / (configured.size() * 100);
  testing::Test::RecordProperty("nanoseconds", static_cast<int>(each.count()));
  EXPECT_LT(each, 20us);  // a step a peer would be hundreds
  EXPECT_EQ(book.run()->arrived.bytes, 1'000'000U);
  EXPECT_EQ(book.run()->unplanned, 0U);
}

}  // namespace
}  // namespace peerstage::daemon

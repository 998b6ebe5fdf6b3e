#include "daemon/managed_run.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <unistd.h>

#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Status = ActionReport::Status;

WorkStepEnded ended_with(int status) {
  WorkStepEnded end;
  end.exit_status = status;
  if (status != 0) {
    end.failure = FailureKind::permanent;
    end.message = "it ended with " + std::to_string(status);
  }
  return end;
}

/// An attempt in which the command runs for so long.
Script runs(int status, milliseconds duration) {
  return Script().say({}, WorkStepBegun{0}).say(duration, ended_with(status)).say({}, WorkResult{});
}

class ManagedDiary final : public ManagedObserver {
 public:
  void action_begun(std::size_t peer) override { lines.push_back("begun " + std::to_string(peer)); }
  void put_off(std::size_t peer, const std::string&, milliseconds) override {
    lines.push_back("put off " + std::to_string(peer));
  }
  void finished(std::size_t, const ManagedPeerReport& report) override {
    lines.push_back("finished " + report.name + " " + to_string(report.action.status));
  }
  void ended(const ManagedReport& report) override { verdict = report; }

  std::vector<std::string> lines;
  std::optional<ManagedReport> verdict;
};

class ManagedRunTest : public testing::Test {
 protected:
  ManagedRunTest() {
    plan.backup_user = ::getpwuid(::geteuid())->pw_name;
    plan.backup_group = ::getgrgid(::getegid())->gr_name;
    for (const char* name : {"web1", "web2", "db1"}) {
      config::StagePeer& peer = plan.peers.emplace_back();
      peer.name = name;
      peer.managed_ssh.emplace();
      peer.managed_actions = {"collect", "purge"};
      peer.staging.retry_delay = seconds(1);
    }
    request.action = "collect";
    script = [](std::size_t, unsigned) { return runs(0, seconds(10)); };
  }

  void begin() {
    run.emplace(plan, request, timeline, diary, [this](const Work&) {
      auto made = std::make_unique<ScriptedWorkers>(timeline, script);
      workers = made.get();
      return made;
    });
    run->start();
  }
  const ManagedReport& run_to_the_end() {
    begin();
    while (!diary.verdict && timeline.step(hours(100))) {
    }
    return diary.verdict.value();
  }
  std::vector<Status> statuses() const {
    std::vector<Status> result;
    for (const ManagedPeerReport& peer : diary.verdict.value().peers) result.push_back(peer.action.status);
    return result;
  }

  config::ManagedPlan plan;
  ManagedRequest request;
  SimulatedTimeline timeline;
  ManagedDiary diary;
  ScriptedWorkers::Write script;
  ScriptedWorkers* workers = nullptr;
  std::optional<ManagedRun> run;
};

TEST_F(ManagedRunTest, IsAsLongAsItsSlowestPeer) {
  const auto start = timeline.steady_now();
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_EQ(statuses(), (std::vector<Status>(3, Status::ok)));
  EXPECT_LT(timeline.steady_now() - start, seconds(11));
}

TEST_F(ManagedRunTest, AsksNoMorePeersAtATimeThanAreStaged) {
  plan.parallel_peers = 2;
  script = [](std::size_t, unsigned) { return runs(0, seconds(3)); };
  begin();
  std::size_t most = 0;
  while (!diary.verdict && timeline.step(hours(1)))
    if (!diary.verdict) most = std::max(most, workers->running.size());
  EXPECT_EQ(most, 2U);
}

TEST_F(ManagedRunTest, OnlyAsksPeersThatListTheActionAndAreWanted) {
  plan.peers[0].managed_actions = {"purge"};
  request.peers = {"web1", "db1"};
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  ASSERT_EQ(diary.verdict->peers.size(), 1U);
  EXPECT_EQ(diary.verdict->peers[0].name, "db1");
}

TEST_F(ManagedRunTest, WithoutAnyPeerIsASuccess) {
  request.action = "stage";
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_TRUE(diary.verdict->peers.empty());
}

TEST_F(ManagedRunTest, ThatFailsOnOnePeerHasFailedAndIsNotRepeated) {
  script = [](std::size_t peer, unsigned) { return runs(peer == 1 ? 6 : 0, seconds(1)); };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_EQ(statuses(), (std::vector<Status>{Status::ok, Status::failed, Status::ok}));
  EXPECT_EQ(diary.verdict->peers[1].action.exit_status, 6);
  const auto document = nlohmann::json::parse(to_json(*diary.verdict));
  EXPECT_EQ(document["peers"][1]["name"], "web2");
  EXPECT_EQ(document["peers"][1]["status"], "failed");
  EXPECT_EQ(document["peers"][1]["exit_status"], 6);
  EXPECT_EQ(document["peers"][1]["error"]["message"], "it ended with 6");
  EXPECT_TRUE(document["peers"][0]["error"].is_null());
}

TEST_F(ManagedRunTest, TriesAPeerAgainThatCouldNotBeReached) {
  script = [](std::size_t peer, unsigned attempt) {
    return peer == 0 && attempt < 3 ? Script::fails(FailureKind::transient) : runs(0, seconds(1));
  };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_EQ(std::ranges::count(diary.lines, "put off 0"), 2);
  EXPECT_EQ(std::ranges::count(diary.lines, "begun 0"), 1);
}

TEST_F(ManagedRunTest, NeverAsksAgainAPeerWhoseWorkerDiedAfterItHadBegun) {
  script = [](std::size_t, unsigned) {
    return Script().say({}, WorkStepBegun{0}).say(seconds(1), failed_work(FailureKind::permanent, "it died"));
  };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_EQ(std::ranges::count(diary.lines, "begun 0"), 1);
  EXPECT_NE(diary.verdict->peers[0].action.failure->message.find("may still be going on"), std::string::npos);
}

TEST_F(ManagedRunTest, KillsAWorkerThatBeginsAgain) {
  script = [](std::size_t peer, unsigned) {
    if (peer != 0) return runs(0, seconds(1));
    return Script()
        .say({}, WorkStepBegun{0})
        .say({}, WorkStepBegun{0})
        .say({}, ended_with(0))
        .say({}, WorkResult{});
  };
  run_to_the_end();
  EXPECT_EQ(statuses(), (std::vector<Status>{Status::failed, Status::ok, Status::ok}));
}

TEST_F(ManagedRunTest, RefusesPeersForWhichItIsNotSafeWithoutAskingThem) {
  request.only = {"web1", "db1"};
  request.busy = {"db1"};
  run_to_the_end();
  EXPECT_EQ(statuses(), (std::vector<Status>{Status::ok, Status::refused, Status::refused}));
  EXPECT_EQ(std::ranges::count(diary.lines, "begun 0"), 1);
  EXPECT_EQ(std::ranges::count(diary.lines, "begun 1"), 0);
  EXPECT_EQ(std::ranges::count(diary.lines, "begun 2"), 0);
  const auto& told = diary.verdict->peers;
  EXPECT_NE(told[1].action.failure->message.find("the peer was not staged"), std::string::npos);
  EXPECT_NE(told[2].action.failure->message.find("may still be going on"), std::string::npos);
}

TEST_F(ManagedRunTest, APeerThatIsRefusedIsNoFailure) {
  request.busy = {"web2"};
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
}

TEST_F(ManagedRunTest, ThatIsInterruptedCancelsWhatGoesOn) {
  script = [](std::size_t peer, unsigned) { return runs(0, peer == 0 ? seconds(1) : seconds(100)); };
  begin();
  timeline.pass(seconds(2));
  run->interrupt();
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::interrupted);
  EXPECT_EQ(statuses(), (std::vector<Status>{Status::ok, Status::cancelled, Status::cancelled}));
}

}  // namespace
}  // namespace peerstage::daemon

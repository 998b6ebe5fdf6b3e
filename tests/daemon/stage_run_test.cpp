#include "daemon/stage_run.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "daemon/run_observers.h"
#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Statuses = std::map<std::string, PeerStatus>;

/// Keeps what a run tells, as lines.
class Diary final : public RunObserver {
 public:
  void begun(const RunReport& report) override {
    lines.push_back("begun with " + std::to_string(report.peers.size()));
  }
  void started(std::size_t peer, unsigned attempt) override {
    lines.push_back("started " + std::to_string(peer) + "." + std::to_string(attempt));
  }
  void action_begun(std::size_t peer, const std::string& action) override {
    lines.push_back(action + " begun on " + std::to_string(peer));
  }
  void action_ended(std::size_t peer, const ActionReport& report) override {
    lines.push_back(report.action + " " + to_string(report.status) + " on " + std::to_string(peer));
  }
  void finished(std::size_t peer, const PeerReport& report) override {
    lines.push_back("finished " + std::to_string(peer) + " " + report.name);
  }
  void note(peers::EventLevel, const std::string& text) override { notes.push_back(text); }
  void held(std::optional<Timeline::Wall> until) override { lines.emplace_back(until ? "held" : "free"); }
  void ended(const RunReport& report) override {
    lines.emplace_back("ended");
    verdict = report;
    if (on_end) on_end();
  }

  std::vector<std::string> lines, notes;
  std::optional<RunReport> verdict;
  std::function<void()> on_end;
};

class StageRunOnPaper : public testing::Test {
 protected:
  StageRunOnPaper() {
    plan.staging_dir = staging_dir();
    plan.backup_user = ::getpwuid(::geteuid())->pw_name;
    plan.backup_group = ::getgrgid(::getegid())->gr_name;
    plan.minimum_free = config::ByteCount{0};
    for (const char* name : {"web1", "web2", "db1"}) {
      plan.peers.emplace_back().name = name;
      plan.peers.back().staging.retry_delay = milliseconds(10);
    }
    script = [](std::size_t, unsigned) { return stages(); };
  }

  static Script stages(milliseconds after = seconds(1)) {
    WorkResult result;
    result.change = TreeChange::changed;
    result.files = 3;
    return Script::ends_with(result, after);
  }

  StageRun& begin() {
    run.emplace(plan, request, timeline, diary,
                [this](const Work&) { return std::make_unique<ScriptedWorkers>(timeline, script); });
    run->start();
    return *run;
  }
  const RunReport& run_to_the_end() {
    begin();
    while (!diary.verdict && timeline.step(hours(100))) {
    }
    return diary.verdict.value();
  }

  std::string staging_dir() const { return (directory.path() / "staging").string(); }
  bool day_marked() const { return std::filesystem::exists(run->report().daily_dir + "/cback.stage"); }
  Statuses statuses() const {
    Statuses result;
    for (const PeerReport& peer : diary.verdict.value().peers) result[peer.name] = peer.status;
    return result;
  }

  test::TemporaryDirectory directory;
  config::StagePlan plan;
  StageRequest request;
  SimulatedTimeline timeline;
  Diary diary;
  ScriptedWorkers::Write script;
  std::optional<StageRun> run;
};

TEST_F(StageRunOnPaper, TellsItsStoryFromTheLockToTheEnd) {
  plan.parallel_peers = 1;
  begin();
  EXPECT_TRUE(diary.lines.empty()) << "nothing is told from within the call";
  EXPECT_FALSE(run->report().id.empty());
  while (!diary.verdict && timeline.step()) {
  }
  EXPECT_EQ(diary.lines,
            (std::vector<std::string>{"begun with 3", "started 0.1", "finished 0 web1", "started 1.1",
                                      "finished 1 web2", "started 2.1", "finished 2 db1", "ended"}));
  EXPECT_EQ(
      statuses(),
      (Statuses{{"web1", PeerStatus::staged}, {"web2", PeerStatus::staged}, {"db1", PeerStatus::staged}}));
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::ok);
  EXPECT_EQ(diary.verdict->finished, diary.verdict->started + seconds(3));
  EXPECT_TRUE(day_marked());
  EXPECT_EQ(timeline.alarms(), 0U);
}

TEST_F(StageRunOnPaper, APeerThatFailsLeavesTheDayUnmarked) {
  script = [](std::size_t peer, unsigned) {
    return peer == 1 ? Script::fails(FailureKind::permanent) : stages();
  };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_FALSE(day_marked());
}

TEST_F(StageRunOnPaper, OnlyPeersThatWereAskedForAreDone) {
  request.peers = {"db1"};
  run_to_the_end();
  EXPECT_EQ(statuses(), (Statuses{{"db1", PeerStatus::staged}}));
}

TEST_F(StageRunOnPaper, APeerThatIsNotConfiguredIsAnError) {
  request.peers = {"db1", "nobody"};
  const RunReport& report = run_to_the_end();
  EXPECT_EQ(exit_code(report), ExitCode::command_line);
  EXPECT_EQ(report.error->message, "there is no peer nobody to stage; the configuration has: web1 web2 db1");
  EXPECT_EQ(diary.lines, (std::vector<std::string>{"ended"}));
  EXPECT_EQ(diary.notes, (std::vector<std::string>{report.error->message}));
}

TEST_F(StageRunOnPaper, PeersThatWereDoneBeforeAnInterruptionAreNotDoneAgainAndCount) {
  PeerReport done;
  done.name = "web1";
  done.status = PeerStatus::staged;
  done.files = 17;
  done.attempts = 5;
  request.done = {done};
  const RunReport& report = run_to_the_end();
  EXPECT_EQ(diary.lines, (std::vector<std::string>{"begun with 3", "started 1.1", "started 2.1",
                                                   "finished 1 web2", "finished 2 db1", "ended"}));
  EXPECT_EQ(report.peers[0].files, 17U);
  EXPECT_EQ(report.peers[0].attempts, 5U);
  EXPECT_EQ(exit_code(report), ExitCode::ok);
  EXPECT_TRUE(day_marked());
}

TEST_F(StageRunOnPaper, OneThatFailedBeforeAnInterruptionSpoilsTheVerdictToo) {
  request.done.emplace_back().name = "web1";
  request.done.back().status = PeerStatus::failed;
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_FALSE(day_marked());
}

TEST_F(StageRunOnPaper, ARunWhosePeersAreAllDoneMarksItsDayAndEnds) {
  plan.peers.resize(1);
  request.done.emplace_back().name = "web1";
  request.done.back().status = PeerStatus::unchanged;
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_TRUE(day_marked());
}

TEST_F(StageRunOnPaper, TheDateOfTheRequestIsTheDay) {
  request.id = "the-one";
  request.date = std::chrono::year(2026) / 11 / 20;
  const RunReport& report = run_to_the_end();
  EXPECT_EQ(report.id, "the-one");
  EXPECT_EQ(report.daily_dir, staging_dir() + "/2026/11/20");
  EXPECT_TRUE(std::filesystem::exists(staging_dir() + "/2026/11/20/cback.stage"));
}

TEST_F(StageRunOnPaper, WhatMayBeMissingFollowsTheDateOfTheRequest) {
  plan.starting_day = config::Day::friday;
  for (config::StagePeer& peer : plan.peers) peer.ignore_failures = config::IgnoreFailures::daily;
  script = [](std::size_t, unsigned) { return Script::fails(FailureKind::not_ready); };
  request.date = std::chrono::year(2026) / 11 / 20;  // a Friday
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::not_ready);
  diary = {};
  request.date = std::chrono::year(2026) / 11 / 21;
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_EQ(statuses()["web1"], PeerStatus::ignored);
  diary = {};
  request.full = true;
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::not_ready);
}

TEST_F(StageRunOnPaper, ADryRunWaitsForNobodyAndLeavesNothing) {
  request.mode = peers::staging::RunMode::dry_run;
  for (config::StagePeer& peer : plan.peers) peer.staging.wait_for_collect = hours(1);
  script = [](std::size_t, unsigned) { return Script::fails(FailureKind::not_ready); };
  run_to_the_end();
  EXPECT_LT(timeline.elapsed(), seconds(1));
  EXPECT_EQ(diary.notes, (std::vector<std::string>{"dry run: nothing is changed anywhere"}));
  EXPECT_FALSE(std::filesystem::exists(staging_dir()));
}

TEST_F(StageRunOnPaper, NothingStartsBetweenTheHoursOfTheRequest) {
  request.not_between = {{minutes(0), hours(12)}, {hours(12), hours(24) - minutes(1)}};
  run_to_the_end();
  EXPECT_EQ(diary.lines[0], "begun with 3");
  EXPECT_EQ(diary.lines[1], "held");
  EXPECT_EQ(diary.lines[2], "free");
  EXPECT_GE(timeline.elapsed(), minutes(1));
}

// --- the lock

class AnotherRun {
 public:
  explicit AnotherRun(const std::string& staging_dir)
      : area_(peers::staging::StagingArea::open(staging_dir, std::nullopt, peers::staging::RunMode::real)) {
    EXPECT_TRUE(area_->try_lock());
  }
  void end() { area_.reset(); }

 private:
  std::optional<peers::staging::StagingArea> area_;
};

TEST_F(StageRunOnPaper, AnotherRunIsWaitedForBrieflyAndThenAnError) {
  AnotherRun other(staging_dir());
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::locked);
  EXPECT_EQ(diary.lines, (std::vector<std::string>{"ended"}));
  EXPECT_GE(timeline.elapsed(), seconds(1));
  EXPECT_LT(timeline.elapsed(), seconds(2));
}

TEST_F(StageRunOnPaper, ARunBeginsWhenTheOtherOneEndsInTime) {
  AnotherRun other(staging_dir());
  begin();
  timeline.pass(milliseconds(500));
  EXPECT_TRUE(diary.lines.empty());
  other.end();
  timeline.pass(seconds(10));
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::ok);
}

TEST_F(StageRunOnPaper, TheLockIsFreeWhenTheEndIsTold) {
  diary.on_end = [this] { AnotherRun next(staging_dir()); };
  run_to_the_end();
}

// --- interruptions

TEST_F(StageRunOnPaper, AnInterruptionCancelsWhatIsNotDoneAndTellsTheEndAtOnce) {
  script = [](std::size_t peer, unsigned) { return peer == 0 ? stages() : Script::hangs(); };
  begin();
  timeline.pass(seconds(2));
  run->interrupt();
  EXPECT_EQ(statuses(), (Statuses{{"web1", PeerStatus::staged},
                                  {"web2", PeerStatus::cancelled},
                                  {"db1", PeerStatus::cancelled}}));
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::interrupted);
  EXPECT_FALSE(day_marked());
  run->interrupt();
  timeline.pass(hours(1));
  EXPECT_EQ(std::ranges::count(diary.lines, "ended"), 1);
}

TEST_F(StageRunOnPaper, AnInterruptionWhileTheLockIsWaitedForEndsTheRun) {
  AnotherRun other(staging_dir());
  begin();
  timeline.pass(milliseconds(500));
  run->interrupt();
  EXPECT_EQ(statuses(), (Statuses{{"web1", PeerStatus::cancelled},
                                  {"web2", PeerStatus::cancelled},
                                  {"db1", PeerStatus::cancelled}}));
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::interrupted);
  EXPECT_EQ(diary.lines, (std::vector<std::string>{"ended"}));
}

TEST_F(StageRunOnPaper, AnInterruptionBeforeItsBeginningEndsTheRun) {
  begin().interrupt();
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::interrupted);
  EXPECT_FALSE(std::filesystem::exists(staging_dir()));
}

TEST_F(StageRunOnPaper, AnInterruptionThatComesTooLateInterruptsNothing) {
  begin();
  while (std::ranges::count(diary.lines, "finished 2 db1") == 0) timeline.step();
  run->interrupt();
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::ok);
  EXPECT_TRUE(day_marked());
}

TEST_F(StageRunOnPaper, MayBeDestroyedWhenTheEndIsTold) {
  diary.on_end = [this] { run.reset(); };
  run_to_the_end();
  EXPECT_FALSE(run.has_value());
  EXPECT_EQ(timeline.alarms(), 0U);
  diary = {};
  diary.on_end = [this] { run.reset(); };
  begin();
  timeline.pass(milliseconds(10));
  run->interrupt();
  EXPECT_FALSE(run.has_value());
}

TEST_F(StageRunOnPaper, SeveralObserversAreToldTheSame) {
  Diary one, other;
  RunObservers both({&one, &other});
  StageRun shared(plan, request, timeline, both,
                  [this](const Work&) { return std::make_unique<ScriptedWorkers>(timeline, script); });
  shared.start();
  timeline.pass(seconds(10));
  EXPECT_TRUE(one.verdict.has_value());
  EXPECT_EQ(one.lines, other.lines);
}

TEST(RunId, IsTheTimeAndTheProcessAndNeverTheSameTwice) {
  const Timeline::Wall when(seconds(1'795'141'800));
  const std::string first = new_run_id(when);
  EXPECT_EQ(first, "20261120T023000Z-" + std::to_string(::getpid()));
  EXPECT_EQ(new_run_id(when + milliseconds(999)), first + ".2");
  new_run_id(when + seconds(1));
  EXPECT_EQ(new_run_id(when), first + ".3");
}

/// A job that collects, stages and purges, on peers that list both.
class ManagedFlow : public StageRunOnPaper {
 protected:
  ManagedFlow() {
    request.before = {"collect"};
    request.after = {"purge"};
    for (config::StagePeer& peer : plan.peers) {
      peer.ssh.emplace();
      peer.managed_ssh.emplace();
      peer.managed_actions = {"collect", "purge"};
    }
    script = [](std::size_t, unsigned) { return flows(); };
  }

  static WorkStepEnded step_ended(std::size_t step, int status) {
    WorkStepEnded end;
    end.step = step;
    end.exit_status = status;
    if (status == 0) return end;
    end.failure = FailureKind::permanent;
    end.message = "the managed action failed with " + std::to_string(status);
    return end;
  }
  static Script& collects(Script& script, milliseconds time = seconds(1), int status = 0) {
    return script.say({}, WorkStepBegun{0}).say(time, step_ended(0, status));
  }
  static Script& purges(Script& script, int status = 0) {
    return script.say({}, WorkStepBegun{1}).say(seconds(1), step_ended(1, status));
  }
  static WorkResult tree() {
    WorkResult result;
    result.change = TreeChange::changed;
    result.files = 3;
    result.bytes = 30;
    return result;
  }
  static Script flows(milliseconds collect_time = seconds(1), int collect = 0, int purge = 0) {
    Script script;
    collects(script, collect_time, collect).say(seconds(1), WorkStaged{TreeChange::changed, 3, 30, 0});
    return purges(script, purge).say({}, tree());
  }

  std::ptrdiff_t place(const std::string& line) const {
    return std::ranges::find(diary.lines, line) - diary.lines.begin();
  }
  std::ptrdiff_t count(const std::string& line) const { return std::ranges::count(diary.lines, line); }
  const PeerReport& peer(std::size_t index) const { return diary.verdict.value().peers.at(index); }
  static std::vector<std::string> actions(const PeerReport& report) {
    std::vector<std::string> result;
    for (const ActionReport& action : report.actions)
      result.push_back(action.action + " " + to_string(action.status));
    return result;
  }
};

TEST_F(ManagedFlow, EachPeerCollectsIsStagedAndPurges) {
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_EQ(
      statuses(),
      (Statuses{{"web1", PeerStatus::staged}, {"web2", PeerStatus::staged}, {"db1", PeerStatus::staged}}));
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect ok", "purge ok"}));
  EXPECT_TRUE(day_marked());
}

TEST_F(ManagedFlow, NoPeerWaitsForAnother) {
  script = [](std::size_t peer, unsigned) { return flows(peer == 0 ? hours(5) : seconds(1)); };
  run_to_the_end();
  EXPECT_LT(place("finished 1 web2"), place("collect ok on 0"));
  EXPECT_LT(place("finished 2 db1"), place("collect ok on 0"));
  EXPECT_LT(place("collect begun on 0"), place("finished 1 web2"));
}

TEST_F(ManagedFlow, OnlyTakesWhatAPeerLists) {
  plan.peers[0].managed_actions = {"store"};
  plan.peers[1].managed_ssh.reset();
  script = [](std::size_t peer, unsigned) { return peer == 2 ? flows() : stages(); };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_TRUE(peer(0).actions.empty());
  EXPECT_TRUE(peer(1).actions.empty());
  EXPECT_EQ(peer(2).actions.size(), 2U);
}

TEST_F(ManagedFlow, AWorkerThatTellsOfActionsItWasNotGivenIsKilled) {
  plan.peers[0].managed_actions.clear();
  run_to_the_end();
  EXPECT_EQ(peer(0).failure.value().kind, FailureKind::hostile);
  EXPECT_EQ(count("collect begun on 0"), 0);
}

TEST_F(ManagedFlow, AFailedCollectIsStagedNeverthelessAndThePeerHasFailed) {
  script = [](std::size_t, unsigned) { return flows(seconds(1), 6); };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_EQ(peer(0).status, PeerStatus::failed);
  EXPECT_EQ(peer(0).files, 3U);
  EXPECT_EQ(peer(0).failure->message, "the managed action failed with 6; the data that was there is staged");
  EXPECT_FALSE(day_marked()) << "what is there is not what was to be collected";
}

TEST_F(ManagedFlow, AFailedCollectAndAPeerThatIsNotReadyGiveBothSentences) {
  for (config::StagePeer& peer : plan.peers) peer.ignore_failures = config::IgnoreFailures::all;
  script = [](std::size_t, unsigned) {
    Script told;
    return collects(told, seconds(1), 6)
        .say({}, failed_work(FailureKind::not_ready, "the peer is not ready"));
  };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_EQ(peer(0).failure->message, "the managed action failed with 6; the peer is not ready");
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect failed", "purge refused"}));
}

TEST_F(ManagedFlow, NothingIsPurgedOnAPeerThatWasNotStaged) {
  script = [](std::size_t, unsigned) {
    Script told;
    return collects(told).say({}, failed_work(FailureKind::permanent, "the disk is full"));
  };
  run_to_the_end();
  EXPECT_EQ(count("purge begun on 0"), 0);
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect ok", "purge refused"}));
  EXPECT_EQ(peer(0).failure->message, "the disk is full");
}

TEST_F(ManagedFlow, AFailedPurgeFailsThePeerAndNotItsDay) {
  script = [](std::size_t, unsigned) { return flows(seconds(1), 0, 3); };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::peer_failed);
  EXPECT_EQ(peer(0).failure->message, "the data is staged; the managed action failed with 3");
  EXPECT_EQ(peer(0).files, 3U);
  EXPECT_TRUE(day_marked());
}

/// What the order of a worker says cannot be seen here, so this is about what the run believes and reports.
TEST_F(ManagedFlow, WhatIsDoneIsNotRepeatedByALaterAttempt) {
  script = [](std::size_t peer, unsigned attempt) {
    Script told;
    if (peer != 0) return flows();
    if (attempt == 1) return collects(told).say({}, failed_work(FailureKind::transient, "the line broke"));
    if (attempt == 2) {
      return told.say(seconds(1), WorkStaged{TreeChange::changed, 3, 30, 0})
          .say({}, failed_work(FailureKind::transient, "the line broke again"));
    }
    return purges(told).say({}, tree());
  };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_EQ(count("collect begun on 0"), 1);
  EXPECT_EQ(count("started 0.3"), 1);
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect ok", "purge ok"}));
}

TEST_F(ManagedFlow, APeerThatWasStagedAndNeverToldToPurgeHasItsDataInTheReport) {
  script = [](std::size_t, unsigned) {
    Script told;
    return collects(told)
        .say(seconds(1), WorkStaged{TreeChange::changed, 3, 30, 0})
        .say({}, failed_work(FailureKind::permanent, "the line is gone"));
  };
  run_to_the_end();
  EXPECT_EQ(peer(0).status, PeerStatus::failed);
  EXPECT_EQ(peer(0).files, 3U);
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect ok", "purge failed"}));
  EXPECT_TRUE(day_marked());
}

TEST_F(ManagedFlow, AnInterruptedActionIsCancelledAndKnownToHaveBegun) {
  script = [](std::size_t, unsigned) { return flows(hours(1)); };
  begin();
  timeline.pass(seconds(5));
  run->interrupt();
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::interrupted);
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect cancelled", "purge cancelled"}));
  EXPECT_TRUE(peer(0).actions[0].begun);
  EXPECT_FALSE(peer(0).actions[1].begun);
}

TEST_F(ManagedFlow, WhatAnEarlierPartOfTheRunBeganIsNotBegunAgain) {
  ActionReport collect;
  collect.action = "collect";
  collect.begun = true;
  collect.status = ActionReport::Status::ok;
  collect.exit_status = 0;
  request.actions_done["web1"] = {collect};
  script = [](std::size_t peer, unsigned) {
    Script told;
    if (peer != 0) return flows();
    told.say(seconds(1), WorkStaged{TreeChange::changed, 3, 30, 0});
    return purges(told).say({}, tree());
  };
  EXPECT_EQ(exit_code(run_to_the_end()), ExitCode::ok);
  EXPECT_EQ(actions(peer(0)), (std::vector<std::string>{"collect ok", "purge ok"}));
}

/// Actions of this machine's own, on paper.
class OwnActions : public StageRunOnPaper {
 protected:
  class Going final : public LocalAction {
   public:
    explicit Going(std::unique_ptr<Alarm> alarm) : alarm_(std::move(alarm)) {}

   private:
    std::unique_ptr<Alarm> alarm_;
  };

  OwnActions() {
    request.local_before = {"collect"};
    request.local_after = {"purge"};
  }

  StageRun& begin() {
    run.emplace(
        plan, request, timeline, diary,
        [this](const Work&) { return std::make_unique<ScriptedWorkers>(timeline, script); },
        [this](const std::string& action, bool, const std::function<void(const ActionReport&)>& done) {
          diary.lines.push_back(action + " here");
          return std::make_unique<Going>(timeline.after(minutes(1), [this, action, done] {
            ActionReport report;
            report.action = action;
            report.exit_status = exit_status;
            report.status = exit_status == 0 ? ActionReport::Status::ok : ActionReport::Status::failed;
            if (exit_status != 0) report.failure = peers::Failure{FailureKind::permanent, "so it goes"};
            done(report);
          }));
        });
    run->start();
    return *run;
  }
  void run_to_its_end() {
    begin();
    while (!diary.verdict && timeline.step(hours(100))) {
    }
  }

  int exit_status = 0;
};

TEST_F(OwnActions, AreDoneAroundTheRun) {
  run_to_its_end();
  EXPECT_EQ(diary.lines.front(), "collect here");
  EXPECT_EQ(diary.lines.at(1), "begun with 3");
  EXPECT_EQ(diary.lines.at(diary.lines.size() - 2), "purge here");
  EXPECT_EQ(diary.lines.back(), "ended");
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::ok);
  ASSERT_EQ(diary.verdict->actions.size(), 2U);
}

TEST_F(OwnActions, ThatFailStopNothingAndFailTheRun) {
  exit_status = 6;
  run_to_its_end();
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::peer_failed);
  EXPECT_EQ(statuses().at("web1"), PeerStatus::staged);
  EXPECT_EQ(diary.verdict->actions.at(1).exit_status, 6);
}

TEST_F(OwnActions, AreEndedWithTheRun) {
  begin();
  timeline.pass(seconds(30));
  run->interrupt();
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::interrupted);
  EXPECT_EQ(diary.verdict->actions.at(0).status, ActionReport::Status::cancelled);
  EXPECT_FALSE(timeline.step(hours(1))) << "nothing is left of it";
}

TEST_F(OwnActions, ThatWereDoneEarlierCountAndAreNotDoneAgain) {
  ActionReport failed;
  failed.action = "collect";
  failed.begun = true;
  failed.status = ActionReport::Status::failed;
  ActionReport purged = failed;
  purged.action = "purge";
  purged.status = ActionReport::Status::ok;
  request.local_done = {failed, purged};
  run_to_its_end();
  EXPECT_EQ(std::ranges::count(diary.lines, "collect here"), 0);
  EXPECT_EQ(std::ranges::count(diary.lines, "purge here"), 0);
  EXPECT_EQ(diary.verdict->actions.size(), 2U);
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::peer_failed);
}

TEST_F(OwnActions, DoNotBeginWhenTheRunIsToldToEndBetweenItsLastPeerAndThem) {
  begin();
  while (std::ranges::count(diary.lines, "finished 2 db1") == 0) timeline.step(hours(1));
  run->interrupt();
  ASSERT_TRUE(diary.verdict.has_value()) << "the end is told before interrupt() returns";
  EXPECT_EQ(std::ranges::count(diary.lines, "purge here"), 0);
  EXPECT_EQ(exit_code(*diary.verdict), ExitCode::interrupted);
  ASSERT_EQ(diary.verdict->actions.size(), 2U);
  EXPECT_EQ(diary.verdict->actions[1].status, ActionReport::Status::cancelled);
  EXPECT_FALSE(diary.verdict->actions[1].begun);
}

TEST_F(OwnActions, AfterThePeersAreEndedWithTheRunToo) {
  begin();
  timeline.pass(seconds(90));
  EXPECT_EQ(diary.lines.back(), "purge here");
  run->interrupt();
  EXPECT_EQ(exit_code(diary.verdict.value()), ExitCode::interrupted);
  EXPECT_EQ(statuses().at("web1"), PeerStatus::staged);
}

}  // namespace
}  // namespace peerstage::daemon

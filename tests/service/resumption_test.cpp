#include "daemon/service/resumption.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::year_month_day today{2026y, std::chrono::November, 20d};
constexpr std::chrono::year_month_day yesterday{2026y, std::chrono::November, 19d};

config::StagePlan plan(const std::vector<std::string>& peers) {
  config::StagePlan result;
  result.staging_dir = "/staging";
  for (const std::string& name : peers) {
    config::StagePeer peer;
    peer.name = name;
    result.peers.push_back(peer);
  }
  return result;
}

PeerReport peer(const std::string& name, PeerStatus status) {
  PeerReport report;
  report.name = name;
  report.status = status;
  return report;
}

CatalogedRun run_of(std::chrono::year_month_day date, RunTrigger trigger = RunTrigger::schedule) {
  CatalogedRun run;
  run.report.id = "the-run";
  run.report.date = date;
  run.report.daily_dir = date == today ? "/staging/2026/11/20" : "/staging/2026/11/19";
  run.origin.job = "nightly";
  run.origin.trigger = trigger;
  return run;
}

TEST(Resumption, IsJudgedByTheDayTheTriggerAndTheJob) {
  struct Case {
    const char* what;
    CatalogedRun run;
    CatchUp catch_up;
    Resumption expected;
  };
  CatalogedRun elsewhere = run_of(today);
  elsewhere.report.daily_dir = "/other/2026/11/20";
  CatalogedRun of_strangers = run_of(today);
  of_strangers.origin.selected = {"gone"};
  CatalogedRun of_some = run_of(today);
  of_some.origin.selected = {"gone", "a"};
  const std::vector<Case> cases{
      {"of today", run_of(today), CatchUp::no, Resumption::go_on},
      {"of today, asked for", run_of(today, RunTrigger::request), CatchUp::no, Resumption::go_on},
      {"of yesterday", run_of(yesterday), CatchUp::yes, Resumption::begin_again},
      {"of yesterday, not to be made up for", run_of(yesterday), CatchUp::no, Resumption::close},
      {"into another staging directory", elsewhere, CatchUp::yes, Resumption::begin_again},
      {"of peers that are configured no more", of_strangers, CatchUp::yes, Resumption::close},
      {"of some peers that still are", of_some, CatchUp::yes, Resumption::go_on},
      {"of somebody else", run_of(today, RunTrigger::command_line), CatchUp::yes, Resumption::leave},
  };
  for (const Case& one : cases)
    EXPECT_EQ(judge_unfinished(one.run, plan({"a", "b"}), one.catch_up, today), one.expected) << one.what;
}

TEST(Resumption, WhatIsLeftAreThePeersThatWereNotDone) {
  CatalogedRun run = run_of(today);
  run.origin.full = true;
  run.origin.selected = {"a", "b", "gone"};
  run.report.peers = {peer("a", PeerStatus::staged), peer("b", PeerStatus::cancelled),
                      peer("gone", PeerStatus::failed)};
  const StageRequest rest = rest_of(run, plan({"a", "b", "c"}));
  EXPECT_EQ(rest.id, "the-run");
  EXPECT_EQ(rest.date, today);
  EXPECT_TRUE(rest.full);
  EXPECT_EQ(rest.peers, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(rest.done.size(), 1U);
  EXPECT_EQ(rest.done[0].name, "a");
}

TEST(Resumption, RemembersWhatWasBegunOnPeersThatAreNotDone) {
  CatalogedRun run = run_of(today);
  run.report.peers = {peer("a", PeerStatus::cancelled)};
  ActionReport collect;
  collect.action = "collect";
  collect.begun = true;
  ActionReport purge;
  purge.action = "purge";
  run.report.peers[0].actions = {collect, purge};
  const StageRequest rest = rest_of(run, plan({"a"}));
  ASSERT_EQ(rest.actions_done.at("a").size(), 1U);
  EXPECT_EQ(rest.actions_done.at("a")[0].action, "collect");
}

TEST(Resumption, KnowsWhatThisMachineHasDone) {
  CatalogedRun run = run_of(today);
  ActionReport collect;
  collect.action = "collect";
  collect.status = ActionReport::Status::failed;
  ActionReport purge;
  purge.action = "purge";
  purge.status = ActionReport::Status::cancelled;
  run.report.actions = {collect, purge};
  const StageRequest rest = rest_of(run, plan({"a"}));
  ASSERT_EQ(rest.local_done.size(), 1U) << "what was cancelled is not done";
  EXPECT_EQ(rest.local_done[0].action, "collect");
  EXPECT_EQ(rest.local_done[0].status, ActionReport::Status::failed);
}

}  // namespace
}  // namespace peerstage::daemon

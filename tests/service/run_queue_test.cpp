#include "daemon/service/run_queue.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using std::chrono::seconds;
using Steady = Timeline::Steady;

WantedRun run(const std::string& id, RunTrigger trigger = RunTrigger::schedule) {
  WantedRun result;
  result.origin.job = "job-of-" + id;
  result.origin.trigger = trigger;
  result.request.id = id;
  return result;
}

std::string take(RunQueue& queue, Steady now = {}, RunQueue::Admission admission = RunQueue::Admission::all) {
  const auto taken = queue.take(now, admission);
  return taken ? taken->request.id : "none";
}

TEST(RunQueue, RunsBeginInTheOrderInWhichTheyWereWanted) {
  RunQueue queue;
  queue.add(run("a"), RunQueue::Place::last);
  queue.add(run("b"), RunQueue::Place::last);
  EXPECT_EQ(take(queue), "a");
  EXPECT_EQ(take(queue), "b");
  EXPECT_EQ(take(queue), "none");
}

TEST(RunQueue, ARunThatGoesOnComesFirst) {
  RunQueue queue;
  queue.add(run("new"), RunQueue::Place::last);
  queue.add(run("interrupted"), RunQueue::Place::first);
  EXPECT_EQ(take(queue), "interrupted");
}

TEST(RunQueue, ARunThatHasToWaitKeepsNobodyElseWaiting) {
  RunQueue queue;
  WantedRun waits = run("waits");
  waits.not_before = Steady(seconds(30));
  queue.add(waits, RunQueue::Place::first);
  queue.add(run("ready"), RunQueue::Place::last);
  EXPECT_EQ(queue.next_time(Steady(seconds(10))), Steady(seconds(30)));
  EXPECT_EQ(take(queue, Steady(seconds(10))), "ready");
  EXPECT_EQ(take(queue, Steady(seconds(10))), "none");
  EXPECT_EQ(take(queue, Steady(seconds(30))), "waits");
  EXPECT_EQ(queue.next_time(Steady(seconds(30))), std::nullopt);
}

TEST(RunQueue, WhilePausedOnlyWhatWasAskedForBegins) {
  RunQueue queue;
  queue.add(run("planned"), RunQueue::Place::last);
  queue.add(run("asked", RunTrigger::request), RunQueue::Place::last);
  EXPECT_EQ(take(queue, {}, RunQueue::Admission::requests_only), "asked");
  EXPECT_EQ(take(queue, {}, RunQueue::Admission::requests_only), "none");
  EXPECT_EQ(take(queue), "planned");
}

TEST(RunQueue, ARunCanBeForgotten) {
  RunQueue queue;
  queue.add(run("a"), RunQueue::Place::last);
  EXPECT_TRUE(queue.has_job("job-of-a"));
  EXPECT_FALSE(queue.remove("b"));
  EXPECT_TRUE(queue.remove("a"));
  EXPECT_FALSE(queue.has_job("job-of-a"));
  EXPECT_TRUE(queue.empty());
}

TEST(RunQueue, WhatWaitsCanBeShown) {
  RunQueue queue;
  WantedRun waits = run("a");
  waits.why_waiting = "something holds it";
  queue.add(waits, RunQueue::Place::last);
  ASSERT_EQ(queue.list().size(), 1U);
  EXPECT_EQ(queue.list()[0].id, "a");
  EXPECT_EQ(queue.list()[0].origin.job, "job-of-a");
  EXPECT_EQ(queue.list()[0].why_waiting, "something holds it");
}

}  // namespace
}  // namespace peerstage::daemon

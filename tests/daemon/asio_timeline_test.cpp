#include "daemon/asio_timeline.h"

#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;

/// The machine's own time, with its loop.
class RealTime {
 public:
  Timeline& timeline() { return timeline_; }
  void run() { loop_.run(); }

 private:
  boost::asio::io_context loop_{1};
  AsioTimeline timeline_{loop_};
};

class SimulatedTime {
 public:
  Timeline& timeline() { return timeline_; }
  void run() {
    while (timeline_.step()) {
    }
  }

 private:
  SimulatedTimeline timeline_;
};

template <typename Time>
class TimelineContract : public testing::Test {
 protected:
  Time time_;
};
using Times = testing::Types<RealTime, SimulatedTime>;
TYPED_TEST_SUITE(TimelineContract, Times);

TYPED_TEST(TimelineContract, WhatIsDueEarlierIsDoneEarlier) {
  std::string order;
  Timeline& timeline = this->time_.timeline();
  const auto c = timeline.at(timeline.wall_now() + milliseconds(60), [&] { order += "c"; });
  const auto b = timeline.after(milliseconds(30), [&] { order += "b"; });
  const auto a = timeline.after(milliseconds(0), [&] { order += "a"; });
  EXPECT_EQ(order, "") << "nothing is done from within the call";
  this->time_.run();
  EXPECT_EQ(order, "abc");
}

TYPED_TEST(TimelineContract, NothingIsDoneBeforeItsTime) {
  Timeline& timeline = this->time_.timeline();
  const auto steady = timeline.steady_now() + milliseconds(20);
  const auto wall = timeline.wall_now() + milliseconds(20);
  const auto a = timeline.after(milliseconds(20), [&] { EXPECT_GE(timeline.steady_now(), steady); });
  const auto b = timeline.at(wall, [&] { EXPECT_GE(timeline.wall_now(), wall); });
  this->time_.run();
}

TYPED_TEST(TimelineContract, ATimeThatHasPassedIsDue) {
  int done = 0;
  Timeline& timeline = this->time_.timeline();
  const auto a = timeline.at(timeline.wall_now() - std::chrono::hours(1), [&] { ++done; });
  const auto b = timeline.at(Timeline::Wall(), [&] { ++done; });
  const auto c = timeline.after(milliseconds(-5), [&] { ++done; });
  this->time_.run();
  EXPECT_EQ(done, 3);
}

TYPED_TEST(TimelineContract, LettingGoOfAnAlarmCallsItOff) {
  bool done = false;
  Timeline& timeline = this->time_.timeline();
  auto off = timeline.after(milliseconds(0), [&] { done = true; });
  auto also_off = timeline.at(timeline.wall_now(), [&] { done = true; });
  off.reset();
  also_off.reset();
  this->time_.run();
  EXPECT_FALSE(done);
}

TYPED_TEST(TimelineContract, AnActMayLetGoOfItsOwnAlarmAndAskForAnother) {
  int done = 0;
  std::unique_ptr<Alarm> alarm;
  Timeline& timeline = this->time_.timeline();
  Timeline::Act again = [&] {
    if (++done < 3) alarm = timeline.after(milliseconds(1), again);
  };
  alarm = timeline.after(milliseconds(1), again);
  this->time_.run();
  EXPECT_EQ(done, 3);
}

/// No new descriptors, as long as it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(AsioTimeline, WithNoDescriptorsLeftATimeOfTheClockIsStillWaitedFor) {
  RealTime time;
  Timeline& timeline = time.timeline();
  const auto soon = timeline.wall_now() + milliseconds(20);
  bool done = false;
  const auto first = timeline.after({}, [] {});  // the loop has the descriptors that it needs itself
  const NoDescriptors none;
  const auto alarm = timeline.at(soon, [&] { done = timeline.wall_now() >= soon; });
  time.run();
  EXPECT_TRUE(done);
}

TEST(SimulatedTimeline, SettingTheClockWakesWhoeverWaitsForATimeOfIt) {
  SimulatedTimeline timeline;
  int woken = 0, waited = 0;
  const auto wall = timeline.at(timeline.wall_now() + std::chrono::hours(5), [&] { ++woken; });
  const auto delay = timeline.after(std::chrono::hours(5), [&] { ++waited; });
  timeline.set_wall(timeline.wall_now() - std::chrono::hours(1));
  timeline.pass(milliseconds(0));
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(waited, 0);
}

}  // namespace
}  // namespace peerstage::daemon

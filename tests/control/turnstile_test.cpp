#include "daemon/control/turnstile.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;

TEST(Turnstile, LetsOneAfterTheOtherInAndWhoWantsSomethingDoneFirst) {
  SimulatedTimeline timeline;
  Turnstile turnstile(timeline);
  std::string order;
  for (const char* name : {"a", "b"}) turnstile.enter(Turnstile::Lane::usual, [&, name] { order += name; });
  for (const char* name : {"X", "Y"}) turnstile.enter(Turnstile::Lane::first, [&, name] { order += name; });
  EXPECT_EQ(order, "") << "nothing from within the call";
  timeline.step();
  EXPECT_EQ(order, "X");
  timeline.pass(milliseconds(0));
  EXPECT_EQ(order, "XYab");
  EXPECT_EQ(timeline.alarms(), 0U);
  turnstile.enter(Turnstile::Lane::usual, [&] { order += "c"; });
  timeline.pass(milliseconds(0));
  EXPECT_EQ(order, "XYabc");
}

TEST(Turnstile, LeavesAsMuchTimeToOthersAsItTook) {
  SimulatedTimeline timeline;
  Turnstile turnstile(timeline);
  std::string order;
  for (const char* name : {"a", "b"}) {
    turnstile.enter(Turnstile::Lane::usual, [&, name] {
      order += name;
      timeline.pass(milliseconds(30));
    });
  }
  EXPECT_TRUE(timeline.step());
  EXPECT_EQ(order, "a");
  timeline.pass(milliseconds(29));
  EXPECT_EQ(order, "a");
  timeline.pass(milliseconds(1));
  EXPECT_EQ(order, "ab");
}

TEST(Turnstile, TakesWhatWaitsAlongAtItsEnd) {
  SimulatedTimeline timeline;
  bool done = false;
  {
    Turnstile turnstile(timeline);
    turnstile.enter(Turnstile::Lane::usual, [&] { done = true; });
  }
  timeline.pass(milliseconds(100));
  EXPECT_FALSE(done);
}

}  // namespace
}  // namespace peerstage::daemon

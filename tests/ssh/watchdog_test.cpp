#include "peers/ssh/watchdog.h"

#include <array>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace peerstage::peers::ssh {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// Two sockets that are connected; reading from the first blocks until something happens.
struct Pair {
  Descriptor reader, other;
  Pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) ADD_FAILURE();
    reader.reset(ends[0]);
    other.reset(ends[1]);
  }
  ssize_t read() const {
    char byte = 0;
    return ::read(reader.get(), &byte, 1);
  }
};

TEST(WatchdogTest, WakesAReaderAtTheDeadline) {
  const Pair pair;
  Watchdog watchdog;
  watchdog.guard(pair.reader.get());
  const auto deadline = SteadyClock::now() + milliseconds(100);
  watchdog.arm(deadline);
  EXPECT_EQ(pair.read(), 0);
  EXPECT_GE(SteadyClock::now(), deadline);
  EXPECT_TRUE(watchdog.expired());
}

TEST(WatchdogTest, ALaterDeadlineReplacesAnEarlierOne) {
  const Pair pair;
  Watchdog watchdog;
  watchdog.guard(pair.reader.get());
  const auto later = SteadyClock::now() + milliseconds(200);
  watchdog.arm(SteadyClock::now() + milliseconds(50));
  watchdog.arm(later);
  EXPECT_EQ(pair.read(), 0);
  EXPECT_GE(SteadyClock::now(), later);
}

TEST(WatchdogTest, AnEarlierDeadlineIsKeptWhileALaterOneIsAwaited) {
  const Pair pair;
  Watchdog watchdog;
  watchdog.guard(pair.reader.get());
  watchdog.arm(SteadyClock::now() + std::chrono::hours(1));
  watchdog.disarm();
  watchdog.arm(SteadyClock::now() + milliseconds(50));
  EXPECT_EQ(pair.read(), 0);
}

TEST(WatchdogTest, DisarmedItDoesNothing) {
  const Pair pair, clock;
  Watchdog watchdog, other;
  watchdog.guard(pair.reader.get());
  other.guard(clock.reader.get());
  const auto deadline = SteadyClock::now() + milliseconds(50);
  watchdog.arm(deadline);
  watchdog.disarm();
  other.arm(deadline + milliseconds(100));
  EXPECT_EQ(clock.read(), 0);
  EXPECT_FALSE(watchdog.expired());
  EXPECT_EQ(::write(pair.other.get(), "x", 1), 1);
  EXPECT_EQ(pair.read(), 1);
}

TEST(WatchdogTest, ReachesTheSocketThoughItsNumberMeansSomethingElseNow) {
  Pair pair, innocent;
  Watchdog watchdog;
  watchdog.guard(pair.reader.get());
  const int number = pair.reader.get();
  ASSERT_EQ(::dup2(innocent.reader.get(), number), number);
  watchdog.abort();
  char byte = 0;
  EXPECT_EQ(::read(pair.other.get(), &byte, 1), 0) << "the guarded socket is shut down";
  EXPECT_EQ(::write(innocent.other.get(), "x", 1), 1);
  EXPECT_EQ(innocent.read(), 1) << "the other one is not";
  EXPECT_FALSE(watchdog.expired());
}

}  // namespace
}  // namespace peerstage::peers::ssh

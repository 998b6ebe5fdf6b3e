#include "daemon/interruptible_loop.h"

#include <csignal>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "daemon/termination.h"

namespace peerstage::daemon {
namespace {

class InterruptibleLoop : public testing::Test {
 protected:
  const TerminationHeldBack held_back_;
  boost::asio::io_context loop_{1};
  int interruptions_ = 0;
};

TEST_F(InterruptibleLoop, WhatInterruptedItIsSeenByWhoeverWouldGoOn) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ::raise(signal);
    run_interruptibly(loop_, [this] {
      ++interruptions_;
      loop_.stop();
    });
    EXPECT_TRUE(termination_is_waiting());
    loop_.restart();
  }
  EXPECT_EQ(interruptions_, 3);
}

TEST_F(InterruptibleLoop, ASignalDuringItsLastHandlerIsSeenByWhoeverWouldGoOn) {
  boost::asio::post(loop_, [this] {
    ::raise(SIGTERM);
    loop_.stop();
  });
  run_interruptibly(loop_, [this] { ++interruptions_; });
  EXPECT_EQ(interruptions_, 0);
  EXPECT_TRUE(termination_is_waiting());
}

TEST_F(InterruptibleLoop, IsInterruptedOnce) {
  ::raise(SIGTERM);
  ::raise(SIGINT);
  run_interruptibly(loop_, [this] {
    ++interruptions_;
    boost::asio::post(loop_, [this] { boost::asio::post(loop_, [this] { loop_.stop(); }); });
  });
  EXPECT_EQ(interruptions_, 1);
}

TEST_F(InterruptibleLoop, WithoutASignalNothingWaitsAfterwards) {
  boost::asio::post(loop_, [this] { loop_.stop(); });
  run_interruptibly(loop_, [this] { ++interruptions_; });
  EXPECT_FALSE(termination_is_waiting());
}

}  // namespace
}  // namespace peerstage::daemon

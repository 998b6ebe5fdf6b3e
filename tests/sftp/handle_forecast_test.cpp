#include "peers/sftp/handle_forecast.h"

#include <string>

#include <gtest/gtest.h>

namespace peerstage::peers::sftp {
namespace {

std::string handle(unsigned slot) {
  return HandleForecast::handle_of(slot);
}

TEST(HandleForecast, IsAsOpenSshCounts) {
  EXPECT_EQ(handle(0), std::string(4, '\0'));
  EXPECT_EQ(handle(0x01020304), "\x01\x02\x03\x04");
  HandleForecast forecast;
  for (unsigned slot = 0; slot < 3; ++slot) {
    EXPECT_EQ(forecast.opening(), slot);
    forecast.opened(slot, handle(slot));
  }
  forecast.closing(handle(0));
  forecast.closing(handle(2));
  EXPECT_EQ(forecast.opening(), 2U);  // freed last
  EXPECT_EQ(forecast.opening(), 0U);
  EXPECT_EQ(forecast.opening(), 3U);
  EXPECT_TRUE(forecast.is_reliable());
}

TEST(HandleForecast, IsReliableWhenItWasRightAndUntilItIsWrong) {
  HandleForecast forecast;
  EXPECT_FALSE(forecast.is_reliable());
  forecast.opened(forecast.opening(), handle(0));
  EXPECT_TRUE(forecast.is_reliable());
  forecast.opened(forecast.opening(), handle(7));
  EXPECT_FALSE(forecast.is_reliable());
  forecast.opened(forecast.opening(), handle(2));
  EXPECT_FALSE(forecast.is_reliable());
}

TEST(HandleForecast, IsWrongBehindARefusal) {
  HandleForecast forecast;
  forecast.opened(forecast.opening(), handle(0));
  forecast.opening();
  forecast.refused();
  EXPECT_FALSE(forecast.is_reliable());
}

TEST(HandleForecast, KnowsNothingOfOtherHandles) {
  for (const std::string other : {"", "1", "handle", "\x01", "12345"}) {
    HandleForecast forecast;
    forecast.opened(forecast.opening(), other);
    forecast.closing(other);
    EXPECT_FALSE(forecast.is_reliable()) << other;
  }
}

}  // namespace
}  // namespace peerstage::peers::sftp

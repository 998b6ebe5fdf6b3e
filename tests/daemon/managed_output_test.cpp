#include "daemon/managed_output.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using peers::CommandStream;
using peers::EventLevel;

class EventKeeper final : public peers::Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(EventLevel level, const std::string& text) override { events.emplace_back(level, text); }

  std::vector<std::pair<EventLevel, std::string>> events;
};

class ManagedOutputTest : public testing::Test {
 protected:
  EventKeeper observer_;
  ManagedOutput lines_{"collect", observer_};
};

TEST_F(ManagedOutputTest, AreToldAsSoonAsTheyEndWhateverPiecesTheyComeIn) {
  lines_.take(CommandStream::output, "one\ntw");
  lines_.take(CommandStream::error, "bad");
  EXPECT_EQ(observer_.events.size(), 1U);
  lines_.take(CommandStream::output, "o\r\n\nthree");
  lines_.finish();
  EXPECT_EQ(observer_.events,
            (std::vector<std::pair<EventLevel, std::string>>{{EventLevel::info, "collect: one"},
                                                             {EventLevel::info, "collect: two"},
                                                             {EventLevel::info, "collect: three"},
                                                             {EventLevel::warning, "collect: bad"}}));
  EXPECT_EQ(lines_.last_words(), "bad");
}

TEST_F(ManagedOutputTest, CannotFoolWhoReadsThem) {
  lines_.take(CommandStream::output, "\x1b[2J\xff\xe2\x80\xae forged\n");
  ASSERT_EQ(observer_.events.size(), 1U);
  const std::string& text = observer_.events[0].second;
  EXPECT_EQ(text.find_first_of("\x1b\xff\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\\x1b[2J\\xff"), std::string::npos) << text;
}

TEST_F(ManagedOutputTest, WithoutEndAreCutAndOnlyCounted) {
  for (int i = 0; i < 100; ++i) lines_.take(CommandStream::output, std::string(100'000, 'x'));
  lines_.take(CommandStream::output, "\n");
  ASSERT_EQ(observer_.events.size(), 1U);
  EXPECT_LT(observer_.events[0].second.size(), 1'200U);
  EXPECT_NE(observer_.events[0].second.find("9999000 bytes more"), std::string::npos);

  std::string flood;
  for (int i = 0; i < 100'000; ++i) flood += "line " + std::to_string(i) + "\n";
  lines_.take(CommandStream::error, flood);
  lines_.finish();
  EXPECT_LT(observer_.events.size(), 310U);
  EXPECT_NE(observer_.events.back().second.find("more lines of its output are left out"), std::string::npos);
  EXPECT_EQ(lines_.last_words(), "line 99999") << "the end is what says why";
}

}  // namespace
}  // namespace peerstage::daemon

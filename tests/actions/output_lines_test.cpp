#include "daemon/actions/output_lines.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using testing::ElementsAre;

class OutputLinesTest : public testing::Test {
 protected:
  std::vector<std::string> told;
  OutputLines lines{[this](const std::string& line) { told.push_back(line); }};
};

TEST_F(OutputLinesTest, pieces_become_lines) {
  for (const char* piece : {"on", "e\ntwo\n\nthr", "ee"}) lines.hear(piece);
  EXPECT_THAT(told, ElementsAre("one", "two", ""));
  lines.finish();
  EXPECT_THAT(told, ElementsAre("one", "two", "", "three"));
}

TEST_F(OutputLinesTest, nothing_is_no_line) {
  lines.finish();
  EXPECT_TRUE(told.empty());
  lines.hear("one\n");
  lines.finish();
  EXPECT_THAT(told, ElementsAre("one"));
}

TEST_F(OutputLinesTest, the_last_ten_are_kept) {
  for (int number = 0; number < 25; ++number) lines.hear(std::to_string(number) + "\n");
  EXPECT_EQ(lines.last().size(), 10U);
  EXPECT_EQ(lines.last().front(), "15");
  EXPECT_EQ(lines.last().back(), "24");
}

TEST_F(OutputLinesTest, a_line_without_end_comes_in_pieces) {
  lines.hear(std::string(OutputLines::longest * 2 + 1, 'x') + "\n");
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[0].size(), OutputLines::longest);
  EXPECT_EQ(told[2], "x");
}

TEST_F(OutputLinesTest, a_line_of_exactly_the_longest_is_one) {
  lines.hear(std::string(OutputLines::longest, 'x') + "\nnext\n");
  EXPECT_EQ(told.size(), 2U);
}

TEST_F(OutputLinesTest, bytes_become_printable) {
  lines.hear("\x1b[2J\xff\n");
  EXPECT_THAT(told, ElementsAre("\\x1b[2J\\xff"));
}

}  // namespace
}  // namespace peerstage::daemon

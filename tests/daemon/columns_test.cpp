#include "daemon/columns.h"

#include <gtest/gtest.h>

#include "config/utf8.h"

namespace peerstage::daemon {
namespace {

using Lines = std::vector<std::string>;

TEST(Columns, are_counted_as_a_terminal_shows_them) {
  EXPECT_EQ(columns_of(""), 0U);
  EXPECT_EQ(columns_of("web1"), 4U);
  EXPECT_EQ(columns_of("übel…"), 5U);
  EXPECT_EQ(columns_of("日本"), 4U);
  EXPECT_EQ(columns_of("e\u0301"), 1U);
  EXPECT_EQ(columns_of("\U0001F600"), 2U);
  EXPECT_EQ(columns_of("\xff\xfe"), 2U);
}

TEST(Cut, keeps_what_fits_and_never_parts_a_character) {
  EXPECT_EQ(cut("web1", 4), "web1");
  EXPECT_EQ(cut("web1", 3), "we…");
  EXPECT_EQ(cut("übel", 2), "ü…");
  EXPECT_EQ(cut("日本語", 4), "日…");
  EXPECT_EQ(cut("日本語", 6), "日本語");
  EXPECT_EQ(cut("ab", 1), "…");
  EXPECT_EQ(cut("ab", 0), "");
  EXPECT_EQ(cut("ae\u0301", 2), "ae\u0301");
}

TEST(Padded, counts_columns) {
  EXPECT_EQ(padded("ü", 3), "ü  ");
  EXPECT_EQ(padded("日本", 5), "日本 ");
  EXPECT_EQ(padded("abc", 2), "abc");
}

TEST(Wrapped, breaks_at_blanks) {
  EXPECT_EQ(wrapped("one two three", 8, 4), (Lines{"one two", "three"}));
  EXPECT_EQ(wrapped("one two three", 7, 4), (Lines{"one two", "three"}));
  EXPECT_EQ(wrapped("one two three", 13, 4), (Lines{"one two three"}));
  EXPECT_EQ(wrapped("", 7, 4), Lines{});
}

TEST(Wrapped, breaks_a_word_that_is_too_long) {
  EXPECT_EQ(wrapped("abcdefgh", 3, 4), (Lines{"abc", "def", "gh"}));
  EXPECT_EQ(wrapped("日本語", 3, 4), (Lines{"日", "本", "語"}));
  EXPECT_EQ(wrapped("日本", 1, 2), (Lines{"日", "…"}));
}

TEST(Wrapped, cuts_what_is_more_than_its_lines) {
  EXPECT_EQ(wrapped("one two three four", 5, 2), (Lines{"one", "two …"}));
  EXPECT_EQ(wrapped("one two", 3, 1), (Lines{"on…"}));
}

TEST(Wrapped, gives_lines_that_fit_and_lose_nothing_but_blanks) {
  const std::string text = "the quick brüwn 日本語 jumps over thelazydogthatsleepsallday x";
  for (std::size_t width = 2; width < 70; ++width) {
    std::string letters;
    for (const auto& line : wrapped(text, width, 100)) {
      EXPECT_LE(columns_of(line), width);
      for (std::size_t at = 0; at < line.size();) {
        const auto point = config::decode_utf8(line, at);
        ASSERT_TRUE(point) << line;
        at += point->bytes;
      }
      for (const char c : line)
        if (c != ' ') letters += c;
    }
    std::string expected;
    for (const char c : text)
      if (c != ' ') expected += c;
    EXPECT_EQ(letters, expected) << width;
  }
}

}  // namespace
}  // namespace peerstage::daemon

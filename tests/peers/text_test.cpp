#include "peers/text.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::peers {
namespace {

using namespace std::string_literals;

/// The bytes that a text stands for.
std::string unescaped(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
    } else if (text.at(++i) != 'x') {
      bytes += text[i];
    } else {
      bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
  }
  return bytes;
}

struct Example {
  const char* name;
  std::string bytes;
  std::string text;
};

void PrintTo(const Example& example, std::ostream* out) {
  *out << example.name;
}

class Printable : public testing::TestWithParam<Example> {};

TEST_P(Printable, shows_bytes_as_text_that_tells_them_all) {
  EXPECT_EQ(printable(GetParam().bytes), GetParam().text);
  EXPECT_EQ(unescaped(GetParam().text), GetParam().bytes);
}

const std::vector<Example> examples{
    {"empty", "", ""},
    {"plain", "etc/passwd 1.tar.gz", "etc/passwd 1.tar.gz"},
    {"backslash", R"(a\b)", R"(a\\b)"},
    {"looks_like_an_escape", R"(\x0a)", R"(\\x0a)"},
    {"newline_and_tab", "a\nb\tc", R"(a\x0ab\x09c)"},
    {"nul", "a\0b"s, R"(a\x00b)"},
    {"escape_sequence", "\x1b[2J", R"(\x1b[2J)"},
    {"delete", "\x7f", R"(\x7f)"},
    {"c1_control", "\xc2\x9b", R"(\xc2\x9b)"},
    {"two_bytes", "Größe", "Größe"},
    {"three_bytes", "日本", "日本"},
    {"four_bytes", "🙂", "🙂"},
    {"last_code_point", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"zero_width_joiner_of_honest_names", "\u200d", "\u200d"},
    {"direction_override", "a\u202egpj.exe", R"(a\xe2\x80\xaegpj.exe)"},
    {"direction_isolate", "\u2066", R"(\xe2\x81\xa6)"},
    {"direction_mark", "\u200f", R"(\xe2\x80\x8f)"},
    {"arabic_letter_mark", "\u061c", R"(\xd8\x9c)"},
    {"line_separator", "\u2028", R"(\xe2\x80\xa8)"},
    {"byte_order_mark", "\ufeff", R"(\xef\xbb\xbf)"},
    {"latin1", "Gr\xf6\xdf"s + "e", R"(Gr\xf6\xdfe)"},
    {"lone_continuation", "\x80", R"(\x80)"},
    {"overlong_slash", "\xc0\xaf", R"(\xc0\xaf)"},
    {"overlong_of_three", "\xe0\x80\xaf", R"(\xe0\x80\xaf)"},
    {"surrogate", "\xed\xa0\x80", R"(\xed\xa0\x80)"},
    {"beyond_unicode", "\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)"},
    {"five_byte_lead", "\xf8\x88\x80\x80\x80", R"(\xf8\x88\x80\x80\x80)"},
    {"cut_short", "a\xe2\x82", R"(a\xe2\x82)"},
    {"cut_short_by_a_letter", "\xe2\x82z", R"(\xe2\x82z)"},
};

INSTANTIATE_TEST_SUITE_P(Text, Printable, testing::ValuesIn(examples),
                         [](const auto& test) { return test.param.name; });

/// Bytes that are often close to UTF-8, so that both sides of every rule are met.
std::string random_bytes(std::mt19937& random) {
  static const std::vector<std::string> pieces{"\\", "x",    "0",    "a",    "ö",   "\u202e",
                                               "€",  "\xe2", "\x80", "\xf0", "🙂"};
  std::uniform_int_distribution<std::size_t> piece(0, pieces.size() - 1);
  std::uniform_int_distribution<int> byte(0, 255), length(0, 24), coin(0, 1);
  std::string bytes;
  for (int left = length(random); left > 0; --left) {
    if (coin(random) == 0)
      bytes += pieces[piece(random)];
    else
      bytes += static_cast<char>(byte(random));
  }
  return bytes;
}

TEST(PrintableOfRandomBytes, can_always_be_turned_back_and_holds_no_control_bytes) {
  std::mt19937 random(20240229);
  for (int round = 0; round < 20'000; ++round) {
    const std::string bytes = random_bytes(random);
    const std::string text = printable(bytes);
    ASSERT_EQ(unescaped(text), bytes) << text;
    for (const char c : text) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << text;
  }
}

TEST(PrintableWithALimit, shows_all_of_a_text_that_fits) {
  EXPECT_EQ(printable("12345", 5), "12345");
}

TEST(PrintableWithALimit, counts_the_bytes_that_it_leaves_out) {
  EXPECT_EQ(printable("123456", 5), "12345… (1 bytes more)");
}

TEST(PrintableWithALimit, cuts_neither_characters_nor_escapes) {
  EXPECT_EQ(printable("abö", 3), "ab… (2 bytes more)");
  EXPECT_EQ(printable("ab\n\n", 5), "ab… (2 bytes more)");
}

TEST(Counted, has_a_plural_but_for_one) {
  EXPECT_EQ(counted(0, "file"), "0 files");
  EXPECT_EQ(counted(1, "file"), "1 file");
  EXPECT_EQ(counted(2, "file"), "2 files");
}

}  // namespace
}  // namespace peerstage::peers

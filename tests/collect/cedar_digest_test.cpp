#include "peers/collect/cedar_digest.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace peerstage::peers::collect {
namespace {

const std::string ones(40, '1');
const std::string twos(40, '2');

struct Read {
  std::map<std::string, std::string> sums;  ///< the first byte of each sum is enough, as hexadecimal digits
  std::optional<std::string> fault;
};

Read read(const std::string& text) {
  Read result;
  result.fault = read_cedar_digest(text, [&result](const std::string& path, const ContentSum& sum) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", sum[0]);
    result.sums[path] = digits;
  });
  return result;
}

using Sums = std::map<std::string, std::string>;

std::string pair(const std::string& path, const std::string& sum, int number) {
  return "V" + path + "\np" + std::to_string(number) + "\nV" + sum + "\np" + std::to_string(number + 1) +
         "\ns";
}

TEST(CedarDigest, ReadsWhatPythonWrites) {
  const Read result = read("(dp0\n" + pair("/etc/a", ones, 1) + pair("/etc/b", twos, 3) + ".");
  EXPECT_EQ(result.fault, std::nullopt);
  EXPECT_EQ(result.sums, (Sums{{"/etc/a", "11"}, {"/etc/b", "22"}}));
}

TEST(CedarDigest, ReadsAnEmptyOne) {
  const Read result = read("(dp0\n.");
  EXPECT_EQ(result.fault, std::nullopt);
  EXPECT_TRUE(result.sums.empty());
}

TEST(CedarDigest, FollowsReferences) {
  const Read result = read("(dp0\n" + pair("/a", ones, 1) + "V/b\np3\ng2\ns.");
  EXPECT_EQ(result.fault, std::nullopt);
  EXPECT_EQ(result.sums, (Sums{{"/a", "11"}, {"/b", "11"}}));
}

TEST(CedarDigest, ReadsStringsOfPython2) {
  const Read result = read("(dp0\nS'/a\\xff\\\\ \\'q\\''\np1\nS'" + ones + "'\np2\nsS\"/it's\"\np3\ng2\ns.");
  EXPECT_EQ(result.fault, std::nullopt);
  EXPECT_EQ(result.sums, (Sums{{"/a\xff\\ 'q'", "11"}, {"/it's", "11"}}));
}

TEST(CedarDigest, ReadsTheEscapesOfPython2) {
  const Read result = read("(dp0\nS'/a\\n\\r\\t'\np1\nS'" + ones + "'\np2\ns.");
  EXPECT_EQ(result.fault, std::nullopt);
  EXPECT_EQ(result.sums, (Sums{{"/a\n\r\t", "11"}}));
}

TEST(CedarDigest, TurnsEscapesBackIntoTheBytesOfTheName) {
  const struct {
    const char* written;
    const char* path;
  } cases[] = {
      {"/\xe9", "/\xc3\xa9"},                            // Latin-1
      {"/\\u20ac", "/\xe2\x82\xac"},                     //
      {"/\\U0001f600", "/\xf0\x9f\x98\x80"},             //
      {"/\\udcff\\udc80", "/\xff\x80"},                  // surrogateescape
      {"/\\u005c\\u000a\\u000d\\u001a", "/\\\n\r\x1a"},  //
      {"/\\x", "/\\x"},                                  // a backslash that begins no escape
      {"/a\\", "/a\\"},
  };
  for (const auto& each : cases) {
    const Read result = read("(dp0\n" + pair(each.written, ones, 1) + ".");
    EXPECT_EQ(result.fault, std::nullopt) << each.written;
    EXPECT_EQ(result.sums, (Sums{{each.path, "11"}})) << each.written;
  }
}

TEST(CedarDigest, RefusesEverythingElse) {
  const std::string good = pair("/a", ones, 1);
  const struct {
    const char* why;
    std::string text;
  } cases[] = {
      {"nothing", ""},
      {"binary protocol", "\x80\x03}q."},
      {"a call", "cos\nsystem\n(S'true'\ntR."},
      {"a call inside", "(dp0\n" + good + "cos\nsystem\n."},
      {"an object", "(ios\nsystem\n."},
      {"cut in a string", "(dp0\nV/a"},
      {"cut before the sum", "(dp0\nV/a\np1\n."},
      {"cut before the end", "(dp0\n" + good},
      {"something behind the end", "(dp0\n" + good + ".x"},
      {"a short sum", "(dp0\n" + pair("/a", "11", 1) + "."},
      {"a sum that is none", "(dp0\n" + pair("/a", std::string(40, 'x'), 1) + "."},
      {"a path that is not absolute", "(dp0\n" + pair("a", ones, 1) + "."},
      {"a reference to nothing", "(dp0\nV/a\np1\ng7\ns."},
      {"a reference that is no number", "(dp0\nV/a\npx\n."},
      {"three strings", "(dp0\nV/a\nV/b\nV/c\ns."},
      {"no dictionary", "V/a\np1\n."},
      {"a list", "(lp0\n."},
      {"a dictionary that is not empty", "(V/a\np0\nd."},
      {"two dictionaries", "(dp0\n(dp1\ns."},
      {"an escape that is cut off", "(dp0\n" + pair("/\\u12", ones, 1) + "."},
      {"an escape that is none", "(dp0\n" + pair("/\\uzzzz", ones, 1) + "."},
      {"half a surrogate pair", "(dp0\n" + pair("/\\ud800", ones, 1) + "."},
      {"a NUL", "(dp0\n" + pair("/\\u0000", ones, 1) + "."},
      {"a NUL of Python 2", "(dp0\nS'/a\\x00b'\np1\nS'" + ones + "'\np2\ns."},
      {"a bare NUL of Python 2", "(dp0\nS'/a" + std::string(1, '\0') + "b'\np1\nS'" + ones + "'\np2\ns."},
      {"a code point beyond", "(dp0\n" + pair("/\\U00110000", ones, 1) + "."},
      {"quotes that do not match", "(dp0\nS'/a\"\np1\n."},
      {"an escape of Python 2 that is none", "(dp0\nS'/\\q'\np1\n."},
      {"an escape of Python 2 that is cut off", "(dp0\nS'/\\x1'\np1\n."},
  };
  for (const auto& each : cases) EXPECT_NE(read(each.text).fault, std::nullopt) << each.why;
}

TEST(CedarDigest, SurvivesEveryCutAndEveryFlippedBit) {
  const std::string whole = "(dp0\n" + pair("/a\\udcff", ones, 1) + "S'/b\\x41'\np3\ng2\ns.";
  ASSERT_EQ(read(whole).fault, std::nullopt);
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(read(whole.substr(0, length)).fault, std::nullopt) << length;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      for (const auto& [path, sum] : read(flipped).sums) EXPECT_TRUE(path.starts_with('/'));
    }
  }
}

}  // namespace
}  // namespace peerstage::peers::collect

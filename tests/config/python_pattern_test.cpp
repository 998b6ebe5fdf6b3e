#include "config/python_pattern.h"

#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::config {
namespace {

TEST(PythonPattern, AcceptsWhatPythonCompiles) {
  for (const std::string pattern : {R"(.*/tmp/.*)",
                                    R"(x|y)",
                                    R"([[:alpha:]])",
                                    R"([[:foo:]])",
                                    R"(\Z)",
                                    R"(\u0041\U0001F600\x41)",
                                    R"(\ud800)",
                                    R"(\N{DIGIT ONE})",
                                    R"(a{,3})",
                                    R"(a{,})",
                                    R"(a{}{x})",
                                    R"(a{99999})",
                                    R"(a*+b++c{2}+)",
                                    R"((?>a))",
                                    R"((?P<n>a)(?P=n))",
                                    R"((a)\1)",
                                    R"(\377)",
                                    R"(\08)",
                                    R"((?<=ab|bc)d)",
                                    R"((?i)a)",
                                    R"((?i:a))",
                                    R"((?#c)(?i)a)",
                                    "(?x) a # b )\n c",
                                    "(?x:a # )\n)",
                                    "(?x)#\\\n)",
                                    R"((a)?(?(1)b|c))",
                                    R"((?P<n>a)?(?(n)b))",
                                    R"([]a-])",
                                    R"([\b])",
                                    R"((?:^)*)",
                                    R"((?=a)*)",
                                    R"((?!))",
                                    "é+[à-é]",
                                    R"(\é\_\-)",
                                    R"((?P<é>a))"}) {
    EXPECT_EQ(python_pattern_fault(pattern), std::nullopt) << pattern;
  }
}

TEST(PythonPattern, RefusesWhatPythonDoesNotCompile) {
  for (const std::string pattern : {R"(\K)",
                                    R"(\R)",
                                    R"(\Qa\E)",
                                    R"(\p{L})",
                                    R"(\z)",
                                    R"(\h)",
                                    R"(\G)",
                                    R"(\X)",
                                    R"(\C)",
                                    R"(\e)",
                                    R"(\cA)",
                                    R"(\g{1})",
                                    R"(\k<n>)",
                                    R"((?|a|b))",
                                    R"((?R))",
                                    R"((a)(?1))",
                                    R"((?P>n))",
                                    R"((?<n>a))",
                                    R"((?'n'a))",
                                    R"((*FAIL))",
                                    R"((?C))",
                                    R"((?J)a)",
                                    R"((?^)a)",
                                    R"((?(?=a)b))",
                                    R"(\x4)",
                                    R"(\U00110000)",
                                    R"(a{2}{3})",
                                    R"(a**)",
                                    R"(^*)",
                                    R"(\b+)",
                                    R"(*a)",
                                    R"(a|*)",
                                    R"(a{1,0})",
                                    R"(a{4294967295})",
                                    R"(\1(a))",
                                    R"((a\1))",
                                    R"((?P<n>a)(?P<n>b))",
                                    R"((?P=n))",
                                    R"((?P<1>a))",
                                    R"((?<=a|bc)d)",
                                    R"((?<=a*)b)",
                                    R"((?<=(a)\1))",
                                    R"(a(?i))",
                                    R"((?L)a)",
                                    R"((?au)a)",
                                    R"((?i-i:a))",
                                    R"((?-:a))",
                                    R"((?(1)a|b))",
                                    R"((?(0)a))",
                                    R"((a)(?(1)b|c|d))",
                                    R"([a-\d])",
                                    R"([z-a])",
                                    R"([])",
                                    R"([\B])",
                                    R"([\8])",
                                    R"(\400)",
                                    "\\",
                                    "(",
                                    ")",
                                    "[",
                                    "(?#c",
                                    "(?#\\)",
                                    "(?x)#\\"}) {
    EXPECT_NE(python_pattern_fault(pattern), std::nullopt) << pattern;
  }
}

TEST(PythonPattern, SaysWhatIsWrong) {
  EXPECT_EQ(python_pattern_fault(R"(a\Kb)"), "\\K means nothing to Python");
  EXPECT_EQ(python_pattern_fault("(a"), "a \"(\" is not closed");
}

TEST(PythonPattern, SaysInOneLineWhatIsWrongWithOneThatHoldsLineEnds) {
  EXPECT_EQ(python_pattern_fault("(?P<a\n>b)"), R"("a\x0a" is no name for a group)");
  EXPECT_EQ(python_pattern_fault("(?P=a\n)"), R"(there is no group "a\x0a" before this)");
}

TEST(PythonPattern, CutsNoCharacterWhereItSaysWhatIsWrong) {
  EXPECT_EQ(python_pattern_fault("(?Pé>b)"),
            "(?P needs < or = in Python, for a named group or what it matched");
}

bool excludes(const std::string& pattern, const std::string& path) {
  return ExclusionPattern(pattern).excludes(path);
}

TEST(ExclusionPattern, IsAboutTheWholePath) {
  EXPECT_TRUE(excludes(".*/tmp/.*", "/home/x/tmp/y"));
  EXPECT_FALSE(excludes("/home", "/home/x"));
  EXPECT_FALSE(excludes("home", "/home"));
  EXPECT_FALSE(excludes("/HOME", "/home"));
  EXPECT_TRUE(excludes("", ""));
  EXPECT_FALSE(excludes("", "/"));
}

TEST(ExclusionPattern, IsJoinedAsTextSoThatAlternativesAreHalfAnchored) {
  EXPECT_TRUE(excludes("/a|/b", "/a/and/more"));
  EXPECT_TRUE(excludes("/a|/b", "/b"));
  EXPECT_FALSE(excludes("/a|/b", "/b/and/more"));
  EXPECT_FALSE(excludes("/a|/b", "/c/b"));
}

TEST(ExclusionPattern, KnowsFlagsForTheWholePattern) {
  EXPECT_TRUE(excludes("(?i)/HOME|/VAR", "/home/x"));
  EXPECT_TRUE(excludes("(?i)/HOME|/VAR", "/var"));
  EXPECT_TRUE(excludes("(?x) /home  # whose?", "/home"));
}

TEST(ExclusionPattern, SaysWhatIsWrongWithIt) {
  EXPECT_THROW(ExclusionPattern("(a"), std::invalid_argument);
  EXPECT_THROW(ExclusionPattern("a)(b"), std::invalid_argument);
  EXPECT_THROW(ExclusionPattern(R"(\N{DIGIT ONE})"), std::invalid_argument);
  EXPECT_THROW(ExclusionPattern(R"([\N{DIGIT ONE}])"), std::invalid_argument);
}

TEST(ExclusionPattern, ExcludesNothingWhenItTriesTooManyWays) {
  EXPECT_FALSE(excludes(R"((/?(a|aa)+)+b)", "/" + std::string(2000, 'a')));
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    constexpr const char* digits = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(c) >> 4U];
    text += digits[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}

using Texts = std::vector<std::string>;

/// What Python says of the patterns: of each, one "1" or "0" for each path, and a line feed.
std::string python_says(const Texts& patterns, const Texts& paths) {
  std::string command =
      "/usr/bin/python3 -c 'import re, sys; at = sys.argv.index(\"--\");"
      "text = lambda h: bytes.fromhex(h[1:]).decode(\"utf-8\", \"surrogateescape\");"
      "[print(*(int(bool(re.match(\"^\" + text(p) + \"$\", text(h)))) for h in sys.argv[at + 1:]), sep=\"\") "
      "for p in sys.argv[1:at]]'";
  for (const std::string& pattern : patterns) command += " /" + hex(pattern);
  command += " --";
  for (const std::string& path : paths) command += " /" + hex(path);
  FILE* const output = ::popen(command.c_str(), "r");
  if (output == nullptr) throw std::runtime_error("cannot run Python");
  std::string said;
  for (int c = std::fgetc(output); c != EOF; c = std::fgetc(output)) said += static_cast<char>(c);
  if (::pclose(output) != 0) throw std::runtime_error("Python failed");
  return said;
}

TEST(ExclusionPattern, ExcludesWhatPythonMatches) {
  const Texts paths = {"/",
                       "/a",
                       "/a\n",
                       "/a\nb",
                       "/A",
                       "/b/a",
                       "/aa/aa",
                       "/ab ab",
                       "/\xc3\xbcn\xc3\xaf",
                       "/\xc3\x9cn",
                       "/bad\xff",
                       "/bad\xff\xfe",
                       "/cut\xe2\x82",
                       "/cut\xe2\x82x",
                       "/half\xed\xb3\xbf",
                       "/over\xc0\xaf",
                       "/emoji\xf0\x9f\x98\x80",
                       "/1\xd9\xa3",
                       "/sp\xc2\xa0x",
                       "/tab\tx",
                       "/us\x1fx"};
  const Texts patterns = {"/a",
                          "/.",
                          "/[^x]*",
                          ".*a",
                          "(?s:.*)a",
                          "(?i:/a)",
                          "(?i:/\xc3\x9cN)",
                          R"(/\w+)",
                          R"(/bad.)",
                          R"(/bad\W)",
                          R"(/bad\w)",
                          R"(/bad\udcff)",
                          R"(/bad[\udc80-\udcff]+)",
                          R"(/bad[^\udcff]*)",
                          "/bad\xc3\xbf",
                          R"(/cut..)",
                          R"(/half...)",
                          R"(/half.)",
                          R"(/over..)",
                          R"(/emoji.)",
                          R"(/emoji\U0001F600)",
                          R"(/\d+)",
                          R"((?a:/\d+))",
                          R"((?a:/\w+))",
                          R"((?a:/[\w]+.))",
                          R"((?a:/.\W.\W))",
                          R"((?a:/sp\Sx))",
                          R"((?a:/(?u:\w+)))",
                          R"((?a:.*\bn\B.*))",
                          R"((?a:.*\B))",
                          R"((?a:.*\b))",
                          R"((?a:/[\D]+))",
                          R"((?a:/[\W]+.*))",
                          R"(/sp\sx)",
                          R"(/tab\sx)",
                          R"(/us\sx)",
                          R"(/us\Sx)",
                          R"(/us[\s]x)",
                          R"(/us[^\s]x)",
                          R"(/(a+)/\1)",
                          R"(/(?P<n>ab) (?P=n))",
                          R"(/a\Z)",
                          R"(/a$.*)",
                          R"((?m:/a$)\nb)",
                          R"(/|a)",
                          R"(.*\b)",
                          R"(/a{,2}/.*)",
                          R"((?=/b)/b/(?<!x)a)",
                          ""};
  std::istringstream python(python_says(patterns, paths));
  for (const std::string& pattern : patterns) {
    const ExclusionPattern compiled(pattern);
    std::string said, expected;
    for (const std::string& path : paths) said += compiled.excludes(path) ? '1' : '0';
    std::getline(python, expected);
    EXPECT_EQ(said, expected) << pattern;
  }
}

TEST(ExclusionPattern, MatchesPathsOfAnyLength) {
  for (const char* pattern : {"(a|b|/)*c", "(?:a|b|/)*c", "(/(a|b)+)+c", "(?:/a*)*c", "(.)*c"}) {
    for (const std::size_t components : {10U, 500U, 2000U, 10000U}) {
      std::string path;
      for (std::size_t i = 0; i < components; ++i) path += "/a";
      EXPECT_TRUE(excludes(pattern, path + "c")) << pattern << ", " << components;
      EXPECT_FALSE(excludes("(a|b|/)*c", path + "d")) << components;
    }
  }
}

}  // namespace
}  // namespace peerstage::config

#include "config/python_pattern.h"

#include <string>

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

}  // namespace
}  // namespace peerstage::config

#include "peers/shell_words.h"

#include <gtest/gtest.h>

#include "peers/failure.h"

namespace peerstage::peers {
namespace {

struct Case {
  const char* name;
  std::vector<std::string> argv;
  std::string line;
};

class ShellWords : public testing::TestWithParam<Case> {};

TEST_P(ShellWords, QuotesEachWord) {
  EXPECT_EQ(shell_words(GetParam().argv), GetParam().line);
}

INSTANTIATE_TEST_SUITE_P(Table, ShellWords,
                         testing::Values(Case{"Plain", {"ls", "-l"}, "'ls' '-l'"},
                                         Case{"Empty", {"echo", ""}, "'echo' ''"},
                                         Case{"Blank", {"a b", "c\td"}, "'a b' 'c\td'"},
                                         Case{"Quote", {"it's"}, R"('it'\''s')"},
                                         Case{"Meta", {"$(x)`y`;|&*?~\""}, R"('$(x)`y`;|&*?~"')"},
                                         Case{"LiteralInSomeShellsOnly", {"a\\b!"}, R"('a'\\'b'\!'')"},
                                         Case{"NotUtf8", {"\xff"}, "'\xff'"},
                                         Case{"Newline",
                                              {"echo", "a\nb'%"},
                                              R"--(sh -c 'eval "exec $(printf "$1")"' sh '\047echo\047 )--"
                                              R"--(\047a\012b\047\134\047\047%%\047')--"}),
                         [](const auto& test) { return test.param.name; });

TEST(ShellWordsRefused, NoWordsOrNul) {
  EXPECT_THROW(shell_words({}), PeerError);
  EXPECT_THROW(shell_words({std::string("a\0b", 3)}), PeerError);
}

}  // namespace
}  // namespace peerstage::peers

#include "peers/shell_words.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "peers/failure.h"
#include "peers/local_command.h"
#include "tests/support/temporary_directory.h"

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

class LoginShell : public testing::TestWithParam<const char*> {};

TEST_P(LoginShell, MakesExactlyTheseWords) {
  const test::TemporaryDirectory home;  // fish writes into it
  const std::vector<std::string> words{"a b", "",     "it's", "$HOME", "*",    "\\",    "\\n",   "!x",
                                       "!!",  "`id`", "~",    "-n",    "^a",   "#c",    "{a,b}", "%s%",
                                       "\t",  "\"",   "=ls",  "a\\'b", "\xff", ";&|<>("};
  for (const std::string& last : {std::string("end"), std::string("\nx\ny\n")}) {
    std::vector<std::string> argv{"/usr/bin/printf", "<%s>"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.push_back(last);
    Command shell;
    shell.argv = {GetParam(), "-c", shell_words(argv)};
    shell.environment = {{"HOME", home.path()}};
    const CommandResult result = run_local_command(shell);
    if (result.exit_status == 127) GTEST_SKIP() << "there is no " << GetParam() << " on this machine";
    std::string expected;
    for (std::size_t i = 2; i < argv.size(); ++i) expected += "<" + argv[i] + ">";
    EXPECT_EQ(result.output, expected) << result.error_output;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, LoginShell,
                         testing::Values("sh", "dash", "bash", "zsh", "tcsh", "fish", "ksh"),
                         [](const auto& test) { return std::string(test.param); });

TEST(ShellWordsRefused, NoWordsOrNul) {
  EXPECT_THROW(shell_words({}), PeerError);
  EXPECT_THROW(shell_words({std::string("a\0b", 3)}), PeerError);
}

}  // namespace
}  // namespace peerstage::peers

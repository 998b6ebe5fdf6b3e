#include "daemon/actions/hooks.h"

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cedar.h"
#include "run_in_test.h"
#include "tests/support/text_file.h"

namespace peerstage::daemon {
namespace {

using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

struct Split {
  const char* name;
  std::string command;
  Words words;
};

class SplitCommand : public testing::TestWithParam<Split> {};

TEST_P(SplitCommand, becomes) {
  EXPECT_EQ(split_command(GetParam().command), GetParam().words);
}

const std::vector<Split> splits{
    {"one_word", "/bin/true", {"/bin/true"}},
    {"several", "echo a  b ", {"echo", "a", "b"}},
    {"leading_blank", " echo", {"echo"}},
    {"nothing", "", {}},
    {"blanks_only", "   ", {}},
    {"quotes_around_a_blank", R"(echo "a b")", {"echo", "a b"}},
    {"quotes_do_not_glue", R"(a"b c"d)", {"a", "b c", "d"}},
    {"quotes_after_an_equals_sign", R"(a="b c")", {"a=", "b c"}},
    {"empty_quotes_vanish", R"(echo "" a)", {"echo", "a"}},
    {"the_second_of_empty_quotes_may_begin_a_pair", R"("" a "b)", {" a ", "b"}},
    {"empty_quotes_at_the_end", R"(echo "")", {"echo"}},
    {"unterminated_quote_is_dropped", R"(echo "a b)", {"echo", "a", "b"}},
    {"quote_at_the_end", R"(echo")", {"echo"}},
    {"tabs_and_newlines_belong_to_words", "a\tb\nc d", {"a\tb\nc", "d"}},
    {"shell_is_literal",
     R"(a 'b c' $X `id` * \n ; |)",
     {"a", "'b", "c'", "$X", "`id`", "*", "\\n", ";", "|"}},
};

INSTANTIATE_TEST_SUITE_P(Table, SplitCommand, testing::ValuesIn(splits),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(CedarWords, are_ours_in_2000_random_commands) {
  if (!has_cedar()) GTEST_SKIP() << "needs cedar-backup3";
  const std::string letters = "ab \"\"  '\t\n\\$";
  std::mt19937 random(4);
  std::uniform_int_distribution<std::size_t> letter(0, letters.size() - 1), length(0, 14);
  Words commands;
  std::string questions;
  for (int round = 0; round < 2000; ++round) {
    std::string& command = commands.emplace_back();
    for (std::size_t left = length(random); left > 0; --left) command += letters[letter(random)];
    questions += nlohmann::json(command).dump() + "\n";
  }
  const Words answers = ask_cedar("cedar_words.py", questions);
  ASSERT_EQ(answers.size(), commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i)
    EXPECT_EQ(split_command(commands[i]), nlohmann::json::parse(answers[i]).get<Words>()) << commands[i];
}

TEST(Overridden, the_last_whole_one_for_exactly_this_word_counts) {
  const std::vector<config::Override> overrides{
      {"dump", "/first"}, {"dump", "/second"}, {"dump", std::nullopt}, {std::nullopt, "/none"}};
  EXPECT_EQ(overridden("dump", overrides), "/second");
  EXPECT_EQ(overridden("/bin/dump", overrides), "/bin/dump");
  EXPECT_EQ(overridden("dumps", overrides), "dumps");
}

class HooksTest : public RunInTest {
 protected:
  /// A hook that writes a word into a file.
  config::Hook says(const char* action, const std::string& word) {
    return {action, script("echo " + word + " >> " + (temporary / "said"))};
  }
  std::string script(const std::string& text) {
    return "sh " + temporary.write("hook" + std::to_string(++scripts_), text + "\n");
  }
  std::string said() const { return test::read_text(temporary / "said"); }
  std::vector<config::Hook>& before() { return config.options.pre_action_hooks; }
  std::vector<config::Hook>& after() { return config.options.post_action_hooks; }

 private:
  int scripts_ = 0;
};

TEST_F(HooksTest, those_of_the_action_run_in_the_order_of_the_file) {
  before() = {says("stage", "one"), says("purge", "other"), says("stage", "two"), {std::nullopt, "false"}};
  after() = {says("stage", "three")};
  EXPECT_EQ(run_hooks(HookTime::before, "stage", context()).code, ExitCode::ok);
  EXPECT_EQ(said(), "one\ntwo\n");
  EXPECT_EQ(run_hooks(HookTime::after, "stage", context()).code, ExitCode::ok);
  EXPECT_EQ(said(), "one\ntwo\nthree\n");
}

TEST_F(HooksTest, one_that_fails_is_the_last) {
  before() = {{"stage", script("echo what went wrong; exit 3")}, says("stage", "two")};
  const HooksEnd end = run_hooks(HookTime::before, "stage", context());
  EXPECT_EQ(end.code, ExitCode::error);
  EXPECT_THAT(end.failure, HasSubstr("the pre-action hook for the action stage"));
  EXPECT_THAT(end.failure, HasSubstr("exit status 3"));
  EXPECT_FALSE(std::filesystem::exists(temporary / "said"));
  EXPECT_THAT(log_text(), HasSubstr("[ERROR  ] | what went wrong"));
}

TEST_F(HooksTest, one_without_a_command_fails_when_it_is_reached) {
  after() = {says("stage", "one"), {"stage", std::nullopt}};
  const HooksEnd end = run_hooks(HookTime::after, "stage", context());
  EXPECT_EQ(end.code, ExitCode::error);
  EXPECT_THAT(end.failure, HasSubstr("names no command"));
  EXPECT_EQ(said(), "one\n");
}

TEST_F(HooksTest, one_that_does_not_exist_says_so) {
  before() = {{"stage", "/nonexistent/program x"}};
  EXPECT_EQ(run_hooks(HookTime::before, "stage", context()).code, ExitCode::error);
  EXPECT_THAT(log_text(), HasSubstr("cannot run /nonexistent/program: No such file or directory"));
}

TEST_F(HooksTest, an_override_finds_the_first_word) {
  config.options.overrides = {{"my-dump", "/bin/echo"}};
  command.log_command_output = true;
  before() = {{"stage", "my-dump my-dump"}};
  EXPECT_EQ(run_hooks(HookTime::before, "stage", context()).code, ExitCode::ok);
  EXPECT_THAT(log_text(), HasSubstr("| my-dump\n"));
}

TEST_F(HooksTest, no_shell_sees_the_words) {
  command.log_command_output = true;
  before() = {{"stage", R"(echo $HOME "a b" ; * 'c d')"}};
  EXPECT_EQ(run_hooks(HookTime::before, "stage", context()).code, ExitCode::ok);
  EXPECT_THAT(log_text(), HasSubstr("| $HOME a b ; * 'c d'\n"));
}

TEST_F(HooksTest, are_told_what_they_are) {
  command.log_command_output = true;
  command.full = true;
  config.file = "/etc/x.conf";
  config.options.backup_user = "somebody";
  after() = {{"stage", script("echo $PEERSTAGE_HOOK $PEERSTAGE_ACTION $PEERSTAGE_CONFIG $PEERSTAGE_FULL "
                              "$PEERSTAGE_BACKUP_USER ${PEERSTAGE_COLLECT_DIR-unset}")}};
  EXPECT_EQ(run_hooks(HookTime::after, "stage", context()).code, ExitCode::ok);
  EXPECT_THAT(log_text(), HasSubstr("| post stage /etc/x.conf 1 somebody unset\n"));
}

TEST_F(HooksTest, output_is_kept_back_unless_it_was_asked_for) {
  before() = {{"stage", "echo chatter"}};
  EXPECT_EQ(run_hooks(HookTime::before, "stage", context()).code, ExitCode::ok);
  EXPECT_THAT(log_text(), Not(HasSubstr("| chatter")));
}

}  // namespace
}  // namespace peerstage::daemon

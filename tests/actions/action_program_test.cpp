#include "daemon/actions/action_program.h"

#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/termination.h"
#include "run_in_test.h"

namespace peerstage::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ActionProgramTest : public RunInTest {
 protected:
  ProgramEnd run(const std::string& script, std::map<std::string, std::string> variables = {}) {
    return run_action_program({"the program", {"sh", "-c", script}, std::move(variables)}, context());
  }
};

TEST_F(ActionProgramTest, success_has_an_exit_status_and_no_failure) {
  const ProgramEnd end = run("exit 0");
  EXPECT_EQ(end.code, ExitCode::ok);
  EXPECT_EQ(end.exit_status, 0);
  EXPECT_EQ(end.failure, "");
}

TEST_F(ActionProgramTest, failure_shows_the_last_ten_lines_of_both_streams_in_their_order) {
  const ProgramEnd end = run("for n in 1 2 3 4 5 6; do echo out $n; echo err $n >&2; done; exit 7");
  EXPECT_EQ(end.code, ExitCode::error);
  EXPECT_EQ(end.exit_status, 7);
  EXPECT_EQ(end.failure, "the program failed: exit status 7");
  EXPECT_THAT(log_text(), Not(HasSubstr("| err 1\n")));
  const std::string log = log_text();
  std::size_t before = 0;
  for (const int number : {2, 3, 4, 5, 6}) {
    for (const char* stream : {"out ", "err "}) {
      const std::size_t place = log.find("[ERROR  ] | " + (stream + std::to_string(number)));
      ASSERT_NE(place, std::string::npos) << stream << number << log;
      EXPECT_GT(place, before);
      before = place;
    }
  }
}

TEST_F(ActionProgramTest, a_signal_is_a_failure_without_exit_status) {
  const ProgramEnd end = run("kill -SEGV $$");
  EXPECT_EQ(end.code, ExitCode::error);
  EXPECT_EQ(end.exit_status, std::nullopt);
  EXPECT_THAT(end.failure, HasSubstr("SEGV"));
  EXPECT_THAT(log_text(), HasSubstr("it printed nothing"));
}

TEST_F(ActionProgramTest, output_is_logged_as_it_is_asked_for_and_cannot_harm_the_log) {
  command.log_command_output = true;
  EXPECT_EQ(run(R"(printf 'caf\351 \033[2J\nhalf'; printf ' a line')").code, ExitCode::ok);
  EXPECT_THAT(log_text(), HasSubstr("[INFO   ] | caf\\xe9 \\x1b[2J\n"));
  EXPECT_THAT(log_text(), HasSubstr("[INFO   ] | half a line\n"));
}

TEST_F(ActionProgramTest, place_and_umask_are_ours_and_the_input_is_empty) {
  command.log_command_output = true;
  const mode_t mask = ::umask(031);
  run("umask; pwd -P; cat; echo end");
  ::umask(mask);
  EXPECT_THAT(log_text(), HasSubstr("| 0031\n"));
  EXPECT_THAT(log_text(), HasSubstr("| " + std::filesystem::current_path().string() + "\n"));
  EXPECT_THAT(log_text(), HasSubstr("| end\n"));
}

TEST_F(ActionProgramTest, what_it_leaves_behind_is_neither_waited_for_nor_ended) {
  const std::string fifo = temporary / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  // What is left behind keeps our pipe, and ends when somebody reads its word.
  EXPECT_EQ(run("(echo alive > " + fifo + ") & exit 0").code, ExitCode::ok);
  EXPECT_EQ(test::read_text(fifo), "alive\n");
}

TEST_F(ActionProgramTest, a_signal_for_us_ends_it_and_what_it_has_started) {
  const TerminationHeldBack termination;
  command.log_command_output = true;
  // It tells us to end, and then would go on for long.
  const ProgramEnd end = run("trap 'echo asked to end; exit 1' TERM; kill -TERM " +
                             std::to_string(::getpid()) + "; sleep 600 & wait");
  EXPECT_EQ(end.code, ExitCode::interrupted);
  EXPECT_EQ(end.failure, "the program was interrupted");
  EXPECT_THAT(log_text(), HasSubstr("| asked to end\n"));
}

TEST_F(ActionProgramTest, a_signal_that_waited_ends_it_at_once_and_waits_on) {
  const TerminationHeldBack termination;
  ::raise(SIGINT);
  EXPECT_TRUE(termination_is_waiting());
  EXPECT_EQ(run("exec sleep 600").code, ExitCode::interrupted);
  EXPECT_TRUE(termination_is_waiting()) << "nothing else is to begin";
}

TEST(ProgramEnvironment, has_no_locale_but_c_and_our_variables_win) {
  const char* const inherited[] = {"PATH=/bin",
                                   "LC_ALL=de_DE.UTF-8",
                                   "LC_CTYPE=C.UTF-8",
                                   "LANG=de_DE.UTF-8",
                                   "LANGUAGE=de:en",
                                   "PEERSTAGE_ACTION=old",
                                   "LCX=1",
                                   nullptr};
  EXPECT_THAT(program_environment(inherited, {{"PEERSTAGE_ACTION", "stage"}}),
              ElementsAre("PATH=/bin", "LANG=C", "LANGUAGE=de:en", "LCX=1", "PEERSTAGE_ACTION=stage"));
}

TEST(ProgramEnvironment, without_lang_gets_none) {
  const char* const inherited[] = {"LC_ALL=C.UTF-8", nullptr};
  EXPECT_THAT(program_environment(inherited, {}), ElementsAre());
}

}  // namespace
}  // namespace peerstage::daemon

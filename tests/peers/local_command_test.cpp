#include "peers/local_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/in_child.h"

namespace peerstage::peers {
namespace {

Command shell(const std::string& line) {
  Command command;
  command.shell_line = line;
  return command;
}

TEST(LocalCommand, WordsReachTheCommandAsTheyAre) {
  Command command;
  command.argv = {"printf", "%s|", "a b", "$HOME", "'", "*"};
  const CommandResult result = run_local_command(command);
  EXPECT_TRUE(result.succeeded());
  EXPECT_EQ(result.output, "a b|$HOME|'|*|");
}

TEST(LocalCommand, InputIsFedAndEnded) {
  Command command;
  command.argv = {"cat"};
  command.input = std::string(1'000'000, 'x');
  command.output_limit = 2'000'000;
  EXPECT_EQ(run_local_command(command).output, command.input);
}

TEST(LocalCommand, StatusAndStreamsAreTold) {
  const CommandResult result = run_local_command(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_FALSE(result.succeeded());
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error_output, "err\n");
}

TEST(LocalCommand, ASignalIsNoExitStatus) {
  const CommandResult result = run_local_command(shell("kill -TERM $$"));
  EXPECT_EQ(result.exit_status, std::nullopt);
  EXPECT_EQ(result.signal, "TERM");
  EXPECT_FALSE(result.succeeded());
}

TEST(LocalCommand, SpeaksThroughItsOwnStreamsWhereWeHaveNone) {
  EXPECT_TRUE(test::in_child([] {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(stream);
    Command command = shell("cat; echo err >&2");
    command.input = "in";
    const CommandResult result = run_local_command(command);
    return result.succeeded() && result.output == "in" && result.error_output == "err\n";
  }));
}

struct Endless {
  const char* name;
  const char* line;
};
class EndlessCommand : public testing::TestWithParam<Endless> {};

TEST_P(EndlessCommand, IsKilledAtItsDeadline) {
  Command command = shell(GetParam().line);
  command.deadline = std::chrono::milliseconds(100);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(run_local_command(command), PeerError);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

INSTANTIATE_TEST_SUITE_P(LocalCommand, EndlessCommand,
                         testing::Values(Endless{"Silent", "sleep 60"}, Endless{"Talking", "yes"},
                                         Endless{"WithAChild", "sleep 60 & wait"},
                                         Endless{"WithClosedStreams", "exec >&- 2>&- <&-; sleep 60"}),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace peerstage::peers

// Commands on the machine.

#include <chrono>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ssh/ssh_fixture.h"

namespace peerstage::peers::ssh {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Sshd;
using testing::HasSubstr;
using SteadyClock = std::chrono::steady_clock;

using RemoteCommandTest = SshFixture;

TEST_F(RemoteCommandTest, ACommandSeesExactlyItsWordsAndItsInput) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  const CommandResult echoed = machine.run(words({"printf", "<%s>", "a b", "", "it's", "$HOME", "*", "\\"}));
  EXPECT_EQ(echoed.output, "<a b><><it's><$HOME><*><\\>");
  EXPECT_TRUE(echoed.succeeded());
  Command cat = words({"cat"});
  cat.input = std::string(3'000'000, 'i');
  cat.output_limit = 10'000'000;
  EXPECT_TRUE(machine.run(cat).output == cat.input);
  Command deaf = words({"true"});
  deaf.input = std::string(10'000'000, 'i');
  EXPECT_TRUE(machine.run(deaf).succeeded());
}

TEST_F(RemoteCommandTest, AShellLineIsSentByteForByte) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  EXPECT_EQ(machine.run(line("echo  a   b | tr a-z A-Z; exit 3")).output, "A B\n");
  EXPECT_EQ(machine.run(line("echo  \"$SSH_ORIGINAL_COMMAND\"")).output, "\n");
}

TEST_F(RemoteCommandTest, TheEndOfACommandIsToldTruly) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  EXPECT_EQ(machine.run(words({"sh", "-c", "exit 3"})).exit_status, 3);
  EXPECT_EQ(machine.run(words({"/nonexistent"})).exit_status, 127);
  const CommandResult killed = machine.run(line("kill -KILL $$"));
  EXPECT_FALSE(killed.exit_status.has_value());
  EXPECT_EQ(killed.signal, "KILL");
  EXPECT_FALSE(killed.succeeded());
  const CommandResult both = machine.run(line("echo out; echo err >&2"));
  EXPECT_EQ(both.output, "out\n");
  EXPECT_EQ(both.error_output, "err\n");
}

TEST_F(RemoteCommandTest, ACommandThatNeverEndsIsStoppedAtItsDeadline) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  // sshd leaves a command alone when its connection ends: this one goes with the test's directory.
  Command endless = line("while [ -d " + home_.path().string() + " ]; do sleep 0.05; done");
  endless.deadline = milliseconds(700);
  const auto start = SteadyClock::now();
  try {
    machine.run(endless);
    ADD_FAILURE() << "it ended";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::transient);
    EXPECT_THAT(error.what(), HasSubstr("did not end within 700 ms"));
  }
  EXPECT_GE(SteadyClock::now() - start, milliseconds(700));
  EXPECT_LT(SteadyClock::now() - start, seconds(4));
  EXPECT_TRUE(machine.run(words({"true"})).succeeded()) << "the next command logs in anew";
}

TEST_F(RemoteCommandTest, ACommandThatFloodsForEverIsStoppedAtItsDeadline) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  Command endless = line("cat /dev/zero");
  endless.deadline = milliseconds(500);
  EXPECT_THROW(machine.run(endless), PeerError);
}

TEST_F(RemoteCommandTest, ASilentCommandMayTakeLongerThanTheIdleTimeout) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.idle_timeout = milliseconds(300);
  SshConnection machine = connection(settings);
  EXPECT_EQ(machine.run(line("sleep 1.2; echo done")).output, "done\n");
}

TEST_F(RemoteCommandTest, AMachineThatFallsSilentDuringACommandIsNoticed) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.idle_timeout = milliseconds(300);
  settings.connect_timeout = seconds(2);
  SshConnection machine = connection(settings);
  machine.run(words({"true"}));
  const auto start = SteadyClock::now();
  sshd.signal_children(SIGSTOP);
  EXPECT_THROW(machine.run(words({"true"})), PeerError);
  EXPECT_LT(SteadyClock::now() - start, seconds(8));
}

}  // namespace
}  // namespace peerstage::peers::ssh

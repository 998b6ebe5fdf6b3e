#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/local_connection.h"
#include "peers/ssh/ssh_connection.h"
#include "tests/support/process.h"
#include "tests/support/sshd.h"
#include "tests/support/temporary_directory.h"

/// One contract for commands, here and behind a real SSH server.
namespace peerstage::peers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::TemporaryDirectory;
using testing::HasSubstr;
using SteadyClock = std::chrono::steady_clock;

enum class Place { here, behind_ssh };

/// One server for all tests of this file: starting one takes longer than a test.
test::Sshd& command_server() {
  static test::Sshd sshd;
  return sshd;
}

class CommandContract : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (GetParam() == Place::here) {
      machine_ = std::make_unique<LocalConnection>(directory_.path());
      return;
    }
    if (!test::Sshd::available()) GTEST_SKIP() << "there is no sshd on this machine";
    const test::Sshd& server = command_server();
    config::SshSettings settings;
    settings.host = server.address();
    settings.user = server.user();
    settings.port = config::Port{server.port()};
    settings.identity_files = {server.client_key()};
    settings.known_hosts = {server.known_hosts()};
    settings.global_known_hosts = {"none"};
    settings.config_file = "none";
    settings.idle_timeout = seconds(5);
    machine_ = std::make_unique<ssh::SshConnection>("web1", settings,
                                                    ssh::LocalUser{"tester", directory_.path().string()});
  }

  CommandResult run(const Command& command) { return machine_->run(command); }
  CommandResult run(std::vector<std::string> argv) { return run(words(std::move(argv))); }

  Failure failure_of(const Command& command) {
    try {
      run(command);
    } catch (const PeerError& error) {
      return error.failure();
    }
    return {FailureKind::cancelled, "it did not fail"};
  }

  static Command words(std::vector<std::string> argv) {
    Command command;
    command.argv = std::move(argv);
    return command;
  }
  static Command line(const std::string& text) { return words({"sh", "-c", text}); }

  /// Goes on until the test's directory is gone, or it is killed.
  std::string for_ever() const {
    return "while [ -d " + directory_.path().string() + " ]; do sleep 0.05; done";
  }

  /// Whether the process whose number a command wrote there is gone, or soon will be.
  bool ends(const char* file) const {
    int pid = 0;
    std::ifstream(directory_ / file) >> pid;
    const auto deadline = SteadyClock::now() + seconds(10);
    while (pid > 0 && ::kill(pid, 0) == 0) {
      if (SteadyClock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return pid > 0;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Connection> machine_;
};

INSTANTIATE_TEST_SUITE_P(Here, CommandContract, testing::Values(Place::here));
INSTANTIATE_TEST_SUITE_P(BehindSsh, CommandContract, testing::Values(Place::behind_ssh));

const std::vector<std::string>& hard_words() {
  static const std::vector<std::string> words{
      "",     "a b",   " ",    "\t",   "it's",     "'",    "\"",    "\\",    "\\n",   "$HOME",
      "${x}", "$(id)", "`id`", "*",    "/*",       "?",    "[a-z]", "{a,b}", "~",     "~root",
      "-n",   "--",    "-",    "!",    "!!",       "^a^b", "#",     "a;b",   "a|b",   "a&b",
      "a>b",  "<",     "(",    ")",    "%s",       "%",    "\n",    "a\nb",  "a\n",   "\r",
      "\x01", "\x7f",  "\xff", "\xc3", "\xc3\xa4", "=",    "a=b",   "\\'",   "'\\''", "\n'\\!%",
  };
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += "<" + word + ">";
  return text;
}

TEST_P(CommandContract, EveryWordArrivesAsItIs) {
  std::vector<std::string> all{"printf", "<%s>"};
  for (const std::string& word : hard_words()) {
    if (word.find_first_of("\n\r") == std::string::npos)
      all.push_back(word);
    else  // these take a way of their own
      EXPECT_EQ(run({"printf", "<%s>", word, "next"}).output, joined({word, "next"}));
  }
  EXPECT_EQ(run(all).output, joined({all.begin() + 2, all.end()}));
}

TEST_P(CommandContract, EveryWordArrivesAsItIsThroughAWrapper) {
  Command command = words({"printf", "<%s>"});
  command.argv.insert(command.argv.end(), hard_words().begin(), hard_words().end());
  command.directory = "/";
  EXPECT_EQ(run(command).output, joined(hard_words()));
}

TEST_P(CommandContract, AWordWithNulIsRefused) {
  EXPECT_EQ(failure_of(words({"echo", std::string("a\0b", 3)})).kind, FailureKind::permanent);
}

TEST_P(CommandContract, AShellLineIsHandedOverAsItIs) {
  Command command;
  command.shell_line = "echo  a   'b c' | tr a-z A-Z; exit 3";
  const CommandResult result = run(command);
  EXPECT_EQ(result.output, "A B C\n");
  EXPECT_EQ(result.exit_status, 3);
}

struct Refused {
  const char* why;
  Command command;
};

TEST_P(CommandContract, WhatMakesNoSenseIsRefusedBeforeAnythingRuns) {
  std::vector<Refused> cases;
  const auto refused = [&](const char* why, auto change) {
    Command command = words({"touch", directory_ / "ran"});
    change(command);
    cases.push_back({why, command});
  };
  refused("no words", [](Command& c) { c.argv.clear(); });
  refused("words and a line", [](Command& c) { c.shell_line = "true"; });
  refused("name is empty", [](Command& c) { c.argv[0] = ""; });
  refused("begins with a dash", [](Command& c) { c.argv[0] = "-touch"; });
  refused("no name of a variable", [](Command& c) { c.environment["A B"] = "x"; });
  refused("no name of a variable", [](Command& c) { c.environment["1A"] = "x"; });
  refused("no name of a variable", [](Command& c) { c.environment["A;touch /x"] = "x"; });
  refused("no name of a variable", [](Command& c) { c.environment[""] = "x"; });
  refused("holds a NUL", [](Command& c) { c.environment["A"] = std::string("a\0", 2); });
  refused("not absolute", [](Command& c) { c.directory = "relative"; });
  refused("umask", [](Command& c) { c.umask = 01000; });
  refused("no name of a user", [](Command& c) { c.user = "-x"; });
  refused("no name of a user", [](Command& c) { c.user = "#0"; });
  refused("no name of a user", [](Command& c) { c.user = "a b;c"; });
  refused("no name of a user", [](Command& c) { c.group = "$(id)"; });
  refused("handed over as it is", [](Command& c) {
    c.argv.clear();
    c.shell_line = "true";
    c.umask = 077;
  });
  for (const Refused& each : cases) {
    const Failure failure = failure_of(each.command);
    EXPECT_EQ(failure.kind, FailureKind::permanent) << each.why;
    EXPECT_THAT(failure.message, HasSubstr(each.why));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
}

// Input.

TEST_P(CommandContract, InputIsFedAndEnded) {
  Command command = words({"cat"});
  command.input = std::string(3'000'000, 'i');
  command.output_limit = 4'000'000;
  EXPECT_TRUE(run(command).output == command.input);
  EXPECT_EQ(run({"cat"}).output, "") << "no input ends at once";
}

TEST_P(CommandContract, ACommandMayEndWithoutReadingItsInput) {
  Command command = words({"true"});
  command.input = std::string(10'000'000, 'i');
  EXPECT_TRUE(run(command).succeeded());
}

TEST_P(CommandContract, ACommandThatNeverReadsItsInputIsHeardToItsEnd) {
  Command command =
      line("i=0; while [ $i -lt 30 ]; do head -c 100000 /dev/zero; sleep 0.02; i=$((i+1)); done");
  command.input = std::string(10'000'000, 'i');
  const CommandResult result = run(command);
  EXPECT_TRUE(result.succeeded());
  EXPECT_EQ(result.output_bytes, 3'000'000U);
}

// Streams.

TEST_P(CommandContract, BothStreamsAreHeardAsTheyComeAndKeptUpToTheLimit) {
  Command command = line("echo first; read answer; echo error >&2; printf \"$answer\"");
  command.input = "second\n";
  command.output_limit = 3;
  std::string output, error;
  command.heard = [&](CommandStream stream, std::string_view bytes) {
    (stream == CommandStream::error ? error : output) += bytes;
  };
  const CommandResult result = run(command);
  EXPECT_EQ(result.output, "fir");
  EXPECT_EQ(result.error_output, "err");
  EXPECT_EQ(result.output_bytes, 12U);
  EXPECT_EQ(result.error_bytes, 6U);
  EXPECT_EQ(output, "first\nsecond");
  EXPECT_EQ(error, "error\n");
}

TEST_P(CommandContract, FloodsOnBothStreamsAreCountedAndNotKept) {
  run({"true"});
  const std::size_t before = test::resident_bytes();
  Command flood = line("head -c 200000000 /dev/zero & head -c 200000000 /dev/zero >&2; wait");
  flood.output_limit = 1000;
  const CommandResult result = run(flood);
  EXPECT_TRUE(result.succeeded());
  EXPECT_EQ(result.output, std::string(1000, '\0'));
  EXPECT_EQ(result.error_output.size(), 1000U);
  EXPECT_EQ(result.output_bytes, 200'000'000U);
  EXPECT_EQ(result.error_bytes, 200'000'000U);
  EXPECT_TRUE(test::grew_by_less_than(16U << 20U, before));
}

// The end.

TEST_P(CommandContract, TheEndIsToldTruly) {
  EXPECT_EQ(run({"sh", "-c", "exit 3"}).exit_status, 3);
  EXPECT_EQ(run({"sh", "-c", "exit 255"}).exit_status, 255);
  const std::map<std::string, int> signals{{"TERM", SIGTERM}, {"KILL", SIGKILL}, {"SEGV", SIGSEGV}};
  for (const auto& [name, number] : signals) {
    const CommandResult killed = run({"sh", "-c", "kill -" + name + " $$; sleep 1"});
    EXPECT_FALSE(killed.succeeded());
    // dash, where it is the login shell, makes a status of a signal.
    if (GetParam() == Place::behind_ssh && killed.exit_status == 128 + number) continue;
    EXPECT_EQ(killed.exit_status, std::nullopt) << name;
    EXPECT_EQ(killed.signal, name);
  }
}

TEST_P(CommandContract, AMissingCommandIs127AndSaysSo) {
  for (const char* missing : {"/nonexistent/program", "peerstage-no-such-program"}) {
    Command command = words({missing});
    command.environment["PATH"] = "/usr/bin:/bin";
    const CommandResult result = run(command);
    EXPECT_EQ(result.exit_status, 127);
    EXPECT_THAT(result.error_output, HasSubstr(missing));
  }
}

TEST_P(CommandContract, AFileThatIsNoProgramIs126) {
  const std::string file = directory_.write("file", "no program");
  EXPECT_EQ(run({file}).exit_status, 126);
  EXPECT_EQ(run({directory_.path().string()}).exit_status, 126);
}

TEST_P(CommandContract, AScriptWithoutAnInterpreterIsOneForTheShell) {
  const std::string script = directory_.write("script", "echo \"$1\"; exit 4\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  const CommandResult result = run({script, "a b"});
  EXPECT_EQ(result.output, "a b\n");
  EXPECT_EQ(result.exit_status, 4);
}

TEST_P(CommandContract, ACommandMayCloseItsStreamsAndGoOn) {
  const CommandResult result = run({"sh", "-c", "exec >&- 2>&- <&-; sleep 0.3; exit 5"});
  EXPECT_EQ(result.exit_status, 5);
  EXPECT_FALSE(result.left_open);
}

TEST_P(CommandContract, WhoeverKeepsTheStreamsAfterTheEndIsNotWaitedForLong) {
  const auto start = SteadyClock::now();
  const CommandResult result = run(line("{ echo early; " + for_ever() + "; } & sleep 0.1; exit 0"));
  EXPECT_TRUE(result.succeeded());
  EXPECT_TRUE(result.left_open);
  EXPECT_EQ(result.output, "early\n");
  EXPECT_LT(SteadyClock::now() - start, seconds(20));
  EXPECT_TRUE(run({"true"}).succeeded()) << "the machine can be used further";
}

TEST_P(CommandContract, WhatIsSaidALittleAfterTheEndIsHeard) {
  const CommandResult result = run(line("{ sleep 0.5; echo late; } & exit 0"));
  EXPECT_EQ(result.output, "late\n");
  EXPECT_FALSE(result.left_open);
}

// Deadlines.

TEST_P(CommandContract, ACommandThatNeverEndsIsStoppedAtItsDeadlineWithAllThatItStarted) {
  Command command = line("sh -c 'echo $$ >child; " + for_ever() + "' & echo $$ >self; wait");
  command.directory = directory_.path();
  command.deadline = milliseconds(700);
  const auto start = SteadyClock::now();
  const Failure failure = failure_of(command);
  EXPECT_EQ(failure.kind, FailureKind::transient);
  EXPECT_THAT(failure.message, HasSubstr("did not end within 700 ms"));
  EXPECT_GE(SteadyClock::now() - start, milliseconds(700));
  EXPECT_LT(SteadyClock::now() - start, seconds(10));
  EXPECT_TRUE(run({"true"}).succeeded()) << "the machine can be used further";
  // An sshd that serves root has no process without his rights that it would let send signals.
  if (GetParam() == Place::behind_ssh && ::geteuid() == 0) return;
  EXPECT_TRUE(ends("self"));
  EXPECT_TRUE(ends("child"));
}

TEST_P(CommandContract, ACommandThatFloodsForEverIsStoppedAtItsDeadline) {
  Command command = words({"cat", "/dev/zero"});
  command.deadline = milliseconds(500);
  EXPECT_THAT(failure_of(command).message, HasSubstr("did not end within 500 ms"));
}

TEST_P(CommandContract, ASilentCommandIsStoppedAtItsIdleDeadlineAndATalkingOneIsNot) {
  Command command = line("i=0; while [ $i -lt 8 ]; do echo $i; sleep 0.2; i=$((i+1)); done; " + for_ever());
  command.idle_deadline = milliseconds(1000);
  const auto start = SteadyClock::now();
  const Failure failure = failure_of(command);
  EXPECT_EQ(failure.kind, FailureKind::transient);
  EXPECT_THAT(failure.message, HasSubstr("said nothing for 1000 ms"));
  EXPECT_GE(SteadyClock::now() - start, milliseconds(2400));
}

// What it is run as.

TEST_P(CommandContract, UmaskDirectoryAndEnvironmentAreInEffect) {
  const std::string odd = directory_ / "it's $HOME/\\!";
  std::filesystem::create_directories(odd);
  Command command = words({"sh", "-c", "umask; pwd; printf %s \"$A|$B|$PATH\""});
  command.umask = 027;
  command.directory = odd;
  command.environment = {{"A", "it's $HOME\n!\\"}, {"B", ""}};
  const CommandResult result = run(command);
  EXPECT_THAT(result.output, testing::StartsWith("0027\n" + odd + "\nit's $HOME\n!\\||"));
  EXPECT_THAT(result.output, HasSubstr("bin")) << "what there is already stays";
}

TEST_P(CommandContract, ADirectoryThatIsNotThereIs126AndNothingRuns) {
  Command command = words({"touch", directory_ / "ran"});
  command.directory = "/nonexistent/directory";
  const CommandResult result = run(command);
  EXPECT_EQ(result.exit_status, 126);
  EXPECT_THAT(result.error_output, HasSubstr("/nonexistent/directory"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
}

TEST_P(CommandContract, WhoeverWeAreNeedsNoPermission) {
  Command command = words({"id", "-un"});
  command.user = test::Sshd::available() ? command_server().user() : "root";
  if (GetParam() == Place::here && !test::Sshd::available() && ::geteuid() != 0)
    GTEST_SKIP() << "who are we?";
  const CommandResult result = run(command);
  EXPECT_EQ(result.output, command.user + "\n");
}

TEST_P(CommandContract, RootBecomesAnotherUserWithHisGroups) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root becomes somebody else without sudo";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::all);
  Command command =
      words({"sh", "-c", "id -un; id -gn; id -Gn; umask; pwd; echo $HOME $USER $LOGNAME; touch mine"});
  command.user = "daemon";
  command.umask = 077;
  command.directory = directory_.path();
  const CommandResult result = run(command);
  EXPECT_EQ(result.output,
            "daemon\ndaemon\ndaemon\n0077\n" + directory_.path().string() + "\n/usr/sbin daemon daemon\n");
  EXPECT_EQ(result.exit_status, 0) << result.error_output;
  command.group = "adm";
  EXPECT_THAT(run(command).output, testing::StartsWith("daemon\nadm\nadm"));
  command.user.clear();
  EXPECT_THAT(run(command).output, testing::StartsWith("root\nadm\n"));
}

TEST_P(CommandContract, AsAnotherUserTheEndIsToldTrulyToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root becomes somebody else without sudo";
  Command command = line("exit 9");
  command.user = "daemon";
  EXPECT_EQ(run(command).exit_status, 9);
  command.argv = {"/nonexistent/program"};
  EXPECT_EQ(run(command).exit_status, 127);
  command.argv = {"sh", "-c", "kill -TERM $$; sleep 1"};
  EXPECT_FALSE(run(command).succeeded());
}

TEST_P(CommandContract, AnUnknownUserIsAFailure) {
  if (::geteuid() != 0) GTEST_SKIP() << "anybody else is refused at once";
  Command command = words({"touch", directory_ / "ran"});
  command.user = "peerstage-no-such-user";
  try {
    EXPECT_FALSE(run(command).succeeded());
  } catch (const PeerError& error) {
    EXPECT_THAT(error.what(), HasSubstr("peerstage-no-such-user"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
}

TEST_P(CommandContract, WithoutSudoNobodyElseCanBeHad) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may become anybody";
  Command command = words({"id", "-un"});
  command.user = "daemon";
  const Failure failure = failure_of(command);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("<sudo>passwordless</sudo>"));
}

}  // namespace
}  // namespace peerstage::peers

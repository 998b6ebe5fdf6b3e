#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <spawn.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/ssh/ssh_connection.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/process.h"
#include "tests/support/sshd.h"

namespace peerstage::peers::ssh {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

/// Runs hostile_server.py as long as it lives.
class HostileServer {
 public:
  explicit HostileServer(const std::string& host_key, std::string behaviour = "floods SFTP") {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return;
    control_.reset(ends[0]);
    const Descriptor theirs(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    std::string program = "/usr/bin/python3", script = PEERSTAGE_TEST_DATA "/hostile_server.py",
                key = host_key, address = "127.0.0.1", events = "/dev/null";
    std::array<char*, 7> argv{program.data(), script.data(),    key.data(), address.data(),
                              events.data(),  behaviour.data(), nullptr};
    if (::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~HostileServer() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  HostileServer(const HostileServer&) = delete;
  HostileServer& operator=(const HostileServer&) = delete;

  /// 0 when the server could not start.
  std::uint16_t port() {
    std::array<char, 16> text{};
    if (::read(control_.get(), text.data(), text.size() - 1) <= 0) return 0;
    return static_cast<std::uint16_t>(std::atoi(text.data()));
  }

 private:
  Descriptor control_;
  pid_t pid_ = -1;
};

class HostileServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("/usr/bin/python3 -c 'import paramiko' 2>/dev/null") != 0) {
      GTEST_SKIP() << "SKIPPED LOUDLY: python3-paramiko is not installed";
    }
    test::make_key(home_ / "host", "ed25519");
    test::make_key(home_ / "client", "ed25519");
    server_ = std::make_unique<HostileServer>(home_ / "host");
    const std::uint16_t port = server_->port();
    ASSERT_NE(port, 0);
    machine_ = std::make_unique<SshConnection>("web1", settings_for(port), user());
  }

  LocalUser user() const { return {"tester", home_.path()}; }

  config::SshSettings settings_for(std::uint16_t port) const {
    config::SshSettings settings;
    settings.host = "127.0.0.1";
    settings.port = config::Port{port};
    settings.user = "backup";
    settings.identity_files = {home_ / "client"};
    settings.identity_agent = "none";
    settings.known_hosts = {home_ / "known_hosts"};
    settings.global_known_hosts = {"none"};
    settings.config_file = "none";
    settings.host_key_policy = config::HostKeyPolicy::accept_new;
    settings.connect_timeout = seconds(5);
    settings.idle_timeout = seconds(5);
    return settings;
  }

  CommandResult run(const std::string& line) {
    Command command;
    command.shell_line = line;
    command.deadline = seconds(30);
    return machine_->run(command);
  }

  test::TemporaryDirectory home_;
  std::unique_ptr<HostileServer> server_;
  std::unique_ptr<SshConnection> machine_;
};

TEST_F(HostileServerTest, OnlyExactlyOneExplicitStatusIsASuccess) {
  EXPECT_TRUE(run("status-0").succeeded());
  for (const char* line : {"two-statuses", "status-minus-1", "no-status", "status-and-signal"}) {
    const CommandResult result = run(line);
    EXPECT_FALSE(result.succeeded()) << line;
    EXPECT_FALSE(result.exit_status.has_value()) << line;
  }
  EXPECT_EQ(run("status-and-signal").signal, "KILL");
}

TEST_F(HostileServerTest, AServerThatHangsUpDuringACommandIsTransient) {
  try {
    run("hang-up");
    FAIL() << "it ended";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::transient);
  }
}

TEST_F(HostileServerTest, AServerThatHangsUpAndAnswersTheLoginNeverthelessHoldsNobody) {
  HostileServer server(home_ / "host", "disconnects at the login");
  config::SshSettings settings = settings_for(server.port());
  settings.connect_timeout = seconds(1);
  const auto start = std::chrono::steady_clock::now();
  try {
    SshConnection("web1", settings, user()).log_in();
    FAIL() << "it let us in";
  } catch (const PeerError& error) {
    EXPECT_NE(error.kind(), FailureKind::hostile) << error.what();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(10));
}

TEST_F(HostileServerTest, OutputThatIgnoresTheWindowIsCountedAndNotKept) {
  run("status-0");
  const std::size_t before = test::resident_bytes();
  const CommandResult result = run("flood");
  EXPECT_EQ(result.output_bytes, 160'000'000U);
  EXPECT_EQ(result.output.size(), 65536U);
  EXPECT_TRUE(test::grew_by_less_than(32U << 20U, before));
}

TEST_F(HostileServerTest, ChannelsThatItOpensAreRefusedAndForgotten) {
  run("status-0");
  const std::size_t before = test::resident_bytes();
  EXPECT_TRUE(run("open-channels").succeeded());
  EXPECT_TRUE(test::grew_by_less_than(8U << 20U, before));
}

TEST_F(HostileServerTest, AnSftpServerThatFloodsWithoutReadingIsHostile) {
  run("status-0");
  const std::size_t before = test::resident_bytes();
  test::CollectingReceiver receiver;
  // So many files with such long names that the requests do not fit into the window of the server.
  for (int i = 0; i < 1000; ++i) receiver.want("/" + std::string(4000, 'x'), 1);
  try {
    machine_->fetch(receiver);
    FAIL() << "it ended";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::hostile);
    EXPECT_THAT(error.what(), HasSubstr("far more than it was allowed"));
  }
  EXPECT_TRUE(test::grew_by_less_than(64U << 20U, before));
}

}  // namespace
}  // namespace peerstage::peers::ssh

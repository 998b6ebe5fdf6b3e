// A machine that does not answer, or with nonsense.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/ssh/ssh_fixture.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/tcp_server.h"

namespace peerstage::peers::ssh {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::CollectingReceiver;
using test::Sshd;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using SteadyClock = std::chrono::steady_clock;

using UnresponsiveServerTest = SshFixture;

TEST_F(UnresponsiveServerTest, NobodyListensIsTransient) {
  config::SshSettings settings;
  {
    const Sshd sshd;
    settings = settings_for(sshd);
  }
  settings.port = config::Port{1};  // one of those that are given out may be another test's by now
  settings.known_hosts = {"none"};
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::transient);
  EXPECT_THAT(failure.message, AllOf(HasSubstr("cannot connect to web1"), HasSubstr("refused")));
}

TEST_F(UnresponsiveServerTest, AHostWithoutAddressIsTransientAndNamed) {
  config::SshSettings settings;
  settings.host = "no-such-host.invalid";
  settings.config_file = "none";
  settings.connect_timeout = seconds(2);
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::transient);
  EXPECT_THAT(failure.message, HasSubstr("no-such-host.invalid"));
}

struct SilenceCase {
  const char* name;
  test::TcpServer::Script script;
};

class Silence : public UnresponsiveServerTest, public testing::WithParamInterface<SilenceCase> {};

TEST_P(Silence, EndsAtTheConnectTimeout) {
  const test::TcpServer server(GetParam().script);
  config::SshSettings settings;
  settings.host = "127.0.0.1";
  settings.port = config::Port{server.port()};
  settings.config_file = "none";
  settings.connect_timeout = milliseconds(400);
  const auto start = SteadyClock::now();
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::transient) << failure.message;
  EXPECT_THAT(failure.message, HasSubstr("no answer within 400 ms"));
  EXPECT_GE(SteadyClock::now() - start, milliseconds(400));
  EXPECT_LT(SteadyClock::now() - start, seconds(2));
}

const std::string version = "SSH-2.0-Test\r\n";

INSTANTIATE_TEST_SUITE_P(
    Table, Silence,
    testing::Values(SilenceCase{"AtOnce", [](test::TcpServer::Line& line) { line.wait_for_end(); }},
                    SilenceCase{"AfterTheVersion",
                                [](test::TcpServer::Line& line) {
                                  line.send(version);
                                  line.wait_for_end();
                                }},
                    SilenceCase{"DrippingVersion",
                                [](test::TcpServer::Line& line) {
                                  while (line.send("x") && !line.ends_within(milliseconds(20))) continue;
                                }},
                    SilenceCase{"EndlessLinesBeforeTheVersion",
                                [](test::TcpServer::Line& line) {
                                  while (line.send("hello\r\n") && !line.ends_within(milliseconds(1)))
                                    continue;
                                }},
                    SilenceCase{"DrippingPacket",
                                [](test::TcpServer::Line& line) {
                                  line.send(version + std::string("\0\0\x10", 3));
                                  while (line.send(std::string(1, '\0')) &&
                                         !line.ends_within(milliseconds(20)))
                                    continue;
                                }}),
    [](const auto& test) { return test.param.name; });

TEST_F(UnresponsiveServerTest, AHugePacketLengthIsHostile) {
  const test::TcpServer server([](test::TcpServer::Line& line) {
    line.send(version + std::string("\x7f\xff\xff\xff", 4) + std::string(100, '\0'));
    line.wait_for_end();
  });
  config::SshSettings settings;
  settings.host = "127.0.0.1";
  settings.port = config::Port{server.port()};
  settings.config_file = "none";
  settings.connect_timeout = seconds(3);
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::hostile) << failure.message;
}

TEST_F(UnresponsiveServerTest, TextOfTheServerIsEscaped) {
  const test::TcpServer server([](test::TcpServer::Line& line) {
    line.send("SSH-1.0-\x1b[31m\r\n");
    line.wait_for_end();
  });
  config::SshSettings settings;
  settings.host = "127.0.0.1";
  settings.port = config::Port{server.port()};
  settings.config_file = "none";
  settings.connect_timeout = seconds(3);
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, Not(HasSubstr("\x1b")));
}

/// The first packet of a server, whose algorithms are all too weak.
std::string weak_lists() {
  const auto number = [](std::size_t value) {
    std::string bytes(4, '\0');
    for (std::size_t i = 4; i-- > 0; value >>= 8U) bytes[i] = static_cast<char>(value & 0xffU);
    return bytes;
  };
  const std::vector<std::string> offered{"diffie-hellman-group1-sha1",
                                         "ssh-dss",
                                         "3des-cbc",
                                         "3des-cbc",
                                         "hmac-md5",
                                         "hmac-md5",
                                         "none",
                                         "none",
                                         "",
                                         ""};
  std::string lists(16, '\0');
  for (const std::string& list : offered) lists += number(list.size()) + list;
  lists += std::string(5, '\0');
  const std::size_t padding = 8 + 8 - (lists.size() + 6) % 8;
  return number(lists.size() + 2 + padding) + static_cast<char>(padding) + '\x14' + lists +
         std::string(padding, '\0');
}

/// It comes with the version, before the server has heard a word. What libssh has still to send when it has
/// read them differs from one time to another, and so did what it said.
TEST_F(UnresponsiveServerTest, AServerWithoutACommonAlgorithmIsPermanentHoweverSoonItSaysSo) {
  for (int time = 0; time < 10; ++time) {
    const test::TcpServer server([&](test::TcpServer::Line& line) {
      line.send(version + weak_lists());
      line.wait_for_end();
    });
    config::SshSettings settings;
    settings.host = "127.0.0.1";
    settings.port = config::Port{server.port()};
    settings.config_file = "none";
    settings.connect_timeout = seconds(3);
    const Failure failure = failure_of(settings);
    EXPECT_EQ(failure.kind, FailureKind::permanent) << failure.message;
    EXPECT_THAT(failure.message, HasSubstr("no match for method kex algos"));
  }
}

TEST_F(UnresponsiveServerTest, AnSftpServerThatSaysNothingEndsAtTheConnectTimeout) {
  const std::string dripping =
      home_.write("drip",
                  "#!/bin/sh\nprintf '\\000\\000\\001\\000\\002\\000\\000\\000\\003'\nwhile printf '\\000'; "
                  "do sleep 0.02; done\n");
  fs::permissions(dripping, fs::perms(0755));
  for (const std::string& program : {std::string("/bin/sleep 1000"), dripping}) {
    Sshd::Options options;
    options.sftp = program;
    const Sshd sshd(options);
    config::SshSettings settings = settings_for(sshd);
    settings.connect_timeout = milliseconds(700);
    const auto start = SteadyClock::now();
    const Failure failure = failure_of(settings);
    EXPECT_EQ(failure.kind, FailureKind::transient);
    EXPECT_THAT(failure.message, HasSubstr("no answer within 700 ms"));
    EXPECT_LT(SteadyClock::now() - start, seconds(4));
  }
}

TEST_F(UnresponsiveServerTest, AnSftpServerThatIsNotThereIsExplained) {
  Sshd::Options options;
  options.sftp = "/nonexistent/sftp-server";
  const Sshd broken(options);
  Failure failure = failure_of(settings_for(broken));
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("ended SFTP before it began"));

  options.sftp = "";
  const Sshd none(options);
  failure = failure_of(settings_for(none));
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("offers no SFTP"));
}

TEST_F(UnresponsiveServerTest, AnAuthenticationThatHangsEndsAtTheConnectTimeout) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED LOUDLY: needs root for AuthorizedKeysCommand";
  Sshd::Options options;
  options.extra = {"AuthorizedKeysCommand /bin/sleep 1000", "AuthorizedKeysCommandUser root"};
  const Sshd sshd(options);
  test::make_key(home_ / "stranger", "ed25519");
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files = {home_ / "stranger"};
  settings.connect_timeout = seconds(1);
  const auto start = SteadyClock::now();
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::transient) << failure.message;
  EXPECT_LT(SteadyClock::now() - start, seconds(5));
}

class Interrupted : public UnresponsiveServerTest {
 protected:
  /// The failure of a fetch during which something happens to the server.
  Failure fetch_while(const config::SshSettings& settings, std::function<void()> happens) {
    const test::TemporaryDirectory source;
    fs::resize_file(source.write("big", ""), 2'000'000'000);
    SshConnection machine = connection(settings);
    CollectingReceiver receiver;
    receiver.want(source / "big", 2'000'000'000);
    receiver.at_first_data = std::move(happens);
    try {
      machine.fetch(receiver);
    } catch (const PeerError& error) {
      EXPECT_EQ(receiver.completed(), 0U);
      return error.failure();
    }
    return {FailureKind::cancelled, "no failure"};
  }
};

TEST_F(Interrupted, AServerThatDiesInAFetchIsTransient) {
  Sshd sshd;
  const auto start = SteadyClock::now();
  const Failure failure = fetch_while(settings_for(sshd), [&] { sshd.kill(); });
  EXPECT_EQ(failure.kind, FailureKind::transient) << failure.message;
  EXPECT_LT(SteadyClock::now() - start, seconds(4));
}

TEST_F(Interrupted, AServerThatFallsSilentInAFetchIsTransientAfterTheIdleTimeout) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.idle_timeout = milliseconds(1000);
  const auto start = SteadyClock::now();
  const Failure failure = fetch_while(settings, [&] { sshd.signal_children(SIGSTOP); });
  EXPECT_EQ(failure.kind, FailureKind::transient);
  EXPECT_THAT(failure.message, HasSubstr("no answer within 1000 ms"));
  EXPECT_LT(SteadyClock::now() - start, seconds(4));
}

}  // namespace
}  // namespace peerstage::peers::ssh

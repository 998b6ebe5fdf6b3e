// What an honest machine does.

#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ssh/ssh_fixture.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/process.h"

namespace peerstage::peers::ssh {
namespace {

namespace fs = std::filesystem;
using test::CollectingReceiver;
using test::Sshd;

using SshConnectionTest = SshFixture;

TEST_F(SshConnectionTest, ListsAndFetches) {
  const Sshd sshd;
  const test::TemporaryDirectory source;
  const std::string big(3'000'000, 'x');
  source.write("a", "alpha");
  source.write("big", big);
  SshConnection machine = connection(settings_for(sshd));

  EXPECT_FALSE(machine.lstat(source / "missing").has_value());
  ASSERT_TRUE(machine.lstat(source / "a").has_value());
  EXPECT_EQ(machine.lstat(source / "a")->size, 5U);
  std::vector<std::string> names;
  for (const ListedEntry& entry : machine.list(source.path(), {})) names.push_back(entry.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("a", "big"));

  CollectingReceiver receiver;
  receiver.want(source / "a", 5);
  receiver.want(source / "big", big.size(), 1'000'000);
  receiver.want(source / "no", 1);
  machine.fetch(receiver);
  EXPECT_EQ(receiver.files[0].content, "alpha");
  EXPECT_TRUE(receiver.files[0].complete);
  EXPECT_EQ(receiver.files[1].content, big.substr(1'000'000));
  EXPECT_TRUE(receiver.files[1].complete);
  EXPECT_TRUE(receiver.files[2].failure.has_value());

  machine.write_marker(source / "cback.stage");
  EXPECT_TRUE(fs::is_empty(source / "cback.stage"));
}

TEST_F(SshConnectionTest, ContactsNothingBeforeItIsUsed) {
  config::SshSettings settings;
  settings.host = "name.invalid";
  const SshConnection machine("web1", settings, user_);
}

TEST_F(SshConnectionTest, LeavesNoDescriptorAndNoThreadBehind) {
  const Sshd sshd;
  connection(settings_for(sshd)).run(words({"true"}));  // libraries may keep something the first time
  const std::size_t descriptors = test::open_descriptors(), threads = test::running_threads();
  {
    SshConnection machine = connection(settings_for(sshd));
    machine.lstat("/");
    machine.run(words({"true"}));
    config::SshSettings refused = settings_for(sshd);
    refused.known_hosts = {"none"};
    EXPECT_EQ(failure_of(refused).kind, FailureKind::permanent);
  }
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_LE(test::running_threads(), threads);  // an idle one of the resolver may have gone
}

TEST_F(SshConnectionTest, ItsSocketsAreCloseOnExec) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  machine.lstat("/");
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry, gone).string().find("socket:") == std::string::npos) continue;
    const int number = std::stoi(entry.path().filename());
    EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0) << number;
  }
}

TEST_F(SshConnectionTest, SurvivesKeyExchangesDuringATransfer) {
  Sshd::Options options;
  options.extra = {"RekeyLimit 1M"};
  const Sshd sshd(options);
  const test::TemporaryDirectory source;
  std::string content;
  for (unsigned i = 0; content.size() < 20'000'000; ++i) content += std::to_string(i * 2654435761U);
  source.write("big", content);
  SshConnection machine = connection(settings_for(sshd));
  CollectingReceiver receiver;
  receiver.want(source / "big", content.size());
  machine.fetch(receiver);
  EXPECT_TRUE(receiver.files[0].content == content);
  EXPECT_TRUE(sshd.log_shows("rekey"));
}

TEST_F(SshConnectionTest, ReadsTheUsersConfiguration) {
  const Sshd sshd;
  home_.write(".ssh/config", "Host alias\nHostName " + sshd.address() + "\nPort " +
                                 std::to_string(sshd.port()) + "\nIdentityFile " +
                                 sshd.client_key().string() + "\nUserKnownHostsFile " +
                                 sshd.known_hosts().string() + "\nUser " + sshd.user() + "\n");
  config::SshSettings settings;
  settings.host = "alias";
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
}

TEST_F(SshConnectionTest, CompressesWhenAsked) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.compression = true;
  EXPECT_EQ(connection(settings).run(words({"echo", "hello"})).output, "hello\n");
  EXPECT_TRUE(sshd.log_shows("compression: zlib@openssh.com"));
}

TEST_F(SshConnectionTest, LogsInAnewAfterTheServerHungUp) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  machine.lstat("/");
  sshd.signal_children(SIGKILL);
  EXPECT_THROW(machine.lstat("/"), PeerError);
  EXPECT_TRUE(machine.lstat("/").has_value());
}

}  // namespace
}  // namespace peerstage::peers::ssh

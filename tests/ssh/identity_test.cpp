// Who we are.

#include <chrono>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ssh/ssh_fixture.h"
#include "tests/support/tcp_server.h"

namespace peerstage::peers::ssh {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Sshd;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using SteadyClock = std::chrono::steady_clock;

using IdentityTest = SshFixture;

TEST_F(IdentityTest, ARefusedKeyIsNamed) {
  const Sshd sshd;
  test::make_key(home_ / "stranger", "ed25519");
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files = {home_ / "missing", home_ / "stranger"};
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message,
              AllOf(HasSubstr("stranger (refused by the machine)"), HasSubstr("missing (does not exist)")));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method none")));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method password")));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method keyboard-interactive")));
}

TEST_F(IdentityTest, NoMoreThanSixRefusedKeysAreTried) {
  Sshd::Options options;
  options.extra = {"MaxAuthTries 20"};
  const Sshd sshd(options);
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files.clear();
  for (int i = 0; i < 8; ++i) {
    const std::string key = home_ / ("stranger" + std::to_string(i));
    test::make_key(key, "ed25519");
    settings.identity_files.push_back(key);
  }
  const std::string message = failure_of(settings).message;
  EXPECT_THAT(message, HasSubstr("stranger5 (refused by the machine)"));
  for (const char* key : {"stranger6", "stranger7"})
    EXPECT_THAT(message, HasSubstr(std::string(key) + " (not tried, since six others were refused)"));
}

TEST_F(IdentityTest, AServerThatTakesOnlyPasswordsGetsNone) {
  Sshd::Options options;
  options.extra = {"PubkeyAuthentication no", "PasswordAuthentication yes"};
  const Sshd sshd(options);
  EXPECT_EQ(failure_of(settings_for(sshd)).kind, FailureKind::permanent);
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method password")));
}

TEST_F(IdentityTest, AServerThatWantsMoreThanAKeyIsRefused) {
  Sshd::Options options;
  options.extra = {"AuthenticationMethods publickey,password", "PasswordAuthentication yes"};
  const Sshd sshd(options);
  const Failure failure = failure_of(settings_for(sshd));
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("wants more than a key"));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method password")));
}

TEST_F(IdentityTest, AKeyWithAPassphraseIsNamedAndNoPublicFileIsWritten) {
  const Sshd sshd;
  test::make_key(home_ / "locked", "ed25519", "secret");
  fs::remove(home_ / "locked.pub");
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files = {home_ / "locked"};
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("locked (has a passphrase"));
  EXPECT_FALSE(fs::exists(home_ / "locked.pub"));
}

TEST_F(IdentityTest, AKeyThatOthersCanReadIsRefusedByName) {
  const Sshd sshd;
  fs::permissions(sshd.client_key(), fs::perms(0644));
  EXPECT_THAT(failure_of(settings_for(sshd)).message, HasSubstr("others can read it"));
}

TEST_F(IdentityTest, AFileThatHoldsNoKeyIsNamed) {
  const Sshd sshd;
  std::ofstream(home_ / "note") << "remember to make a key\n";
  fs::permissions(home_ / "note", fs::perms(0600));
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files = {home_ / "note"};
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("note (is no private key that can be read)"));
}

TEST_F(IdentityTest, TheDefaultKeysOfTheUserAreTried) {
  const Sshd sshd;
  for (const char* name : {"id_ed25519", "id_ecdsa", "id_rsa"}) {
    fs::create_directories(home_ / ".ssh");
    test::make_key(home_ / (std::string(".ssh/") + name), std::string(name).substr(3));
    std::ofstream(sshd.authorized_keys()) << test::read_text(home_ / (std::string(".ssh/") + name + ".pub"));
    config::SshSettings settings = settings_for(sshd);
    settings.identity_files.clear();
    EXPECT_TRUE(connection(settings).lstat("/").has_value()) << name;
  }
}

TEST_F(IdentityTest, AnAgentOpensTheDoorUnlessOnlyConfiguredKeysCount) {
  const Sshd sshd;
  const test::Agent agent(home_ / "agent", sshd.client_key());
  config::SshSettings settings = settings_for(sshd);
  test::make_key(home_ / "stranger", "ed25519");
  settings.identity_files = {home_ / "stranger"};
  settings.identity_agent = home_ / "agent";
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
  settings.identity_files.clear();
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
  settings.identities_only = true;
  EXPECT_EQ(failure_of(settings).kind, FailureKind::permanent);
}

TEST_F(IdentityTest, AnAgentWhoseKeysAreRefusedIsTold) {
  const Sshd sshd;
  test::make_key(home_ / "stranger", "ed25519");
  const test::Agent agent(home_ / "agent", home_ / "stranger");
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files.clear();
  settings.identity_agent = home_ / "agent";
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("the agent's keys (refused by the machine)"));
}

TEST_F(IdentityTest, AnAgentThatIsGoneOrSilentDoesNotHoldUs) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files.clear();
  settings.identity_agent = home_ / "gone";
  EXPECT_THAT(failure_of(settings).message, HasSubstr("gone (no agent answers there)"));
  settings.identity_agent = home_ / std::string(200, 'a');
  EXPECT_THAT(failure_of(settings).message, HasSubstr("aaa (too long for an agent's socket)"));

  const test::SilentSocket silent(home_ / "silent");
  settings.identity_agent = home_ / "silent";
  settings.connect_timeout = milliseconds(500);
  const auto start = SteadyClock::now();
  EXPECT_EQ(failure_of(settings).kind, FailureKind::transient);
  EXPECT_LT(SteadyClock::now() - start, seconds(3));
}

}  // namespace
}  // namespace peerstage::peers::ssh

// Who the machine is.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ssh/ssh_fixture.h"

namespace peerstage::peers::ssh {
namespace {

namespace fs = std::filesystem;
using test::Sshd;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using HostKeyTest = SshFixture;

TEST_F(HostKeyTest, AnUnknownHostKeyEndsBeforeAuthentication) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.known_hosts = {home_ / "known_hosts"};
  const HostKey key = probe_host_key("web1", settings, user_);
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, AllOf(HasSubstr("is not known"), HasSubstr(key.fingerprint),
                                     HasSubstr("`peerstage trust web1`")));
  EXPECT_TRUE(sshd.log_shows("Connection closed"));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("userauth-request")));
  EXPECT_FALSE(fs::exists(home_ / "known_hosts"));
}

TEST_F(HostKeyTest, AChangedHostKeyEndsBeforeAuthenticationWhateverThePolicy) {
  const Sshd sshd, other;
  const std::string line = "[127.0.0.1]:" + std::to_string(sshd.port()) + " " +
                           test::read_text(other.host_key("ed25519").string() + ".pub");
  config::SshSettings settings = settings_for(sshd);
  settings.known_hosts = {home_.write("known_hosts", "# first\n" + line)};
  const std::string fingerprint_before = fingerprint(line.substr(line.find("AAAA"), 68));
  for (const auto policy : {config::HostKeyPolicy::strict, config::HostKeyPolicy::accept_new}) {
    settings.host_key_policy = policy;
    const Failure failure = failure_of(settings);
    EXPECT_EQ(failure.kind, FailureKind::permanent);
    EXPECT_THAT(failure.message,
                AllOf(HasSubstr("has changed"), HasSubstr("known_hosts:2"), HasSubstr(fingerprint_before),
                      HasSubstr(probe_host_key("web1", settings, user_).fingerprint)));
  }
  EXPECT_TRUE(sshd.log_shows("Connection closed"));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("userauth-request")));
  EXPECT_EQ(test::read_text(home_ / "known_hosts"), "# first\n" + line);
}

TEST_F(HostKeyTest, ARevokedHostKeyIsRefused) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.host_key_policy = config::HostKeyPolicy::accept_new;
  settings.known_hosts = {home_.write(
      "known_hosts", sshd.known_hosts_line("ed25519") + "@revoked " + sshd.known_hosts_line("ed25519"))};
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, AllOf(HasSubstr("@revoked"), HasSubstr("known_hosts:2")));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("userauth-request")));
}

TEST_F(HostKeyTest, AcceptNewAddsAnUnknownKeyOnceAndLogsIn) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.host_key_policy = config::HostKeyPolicy::accept_new;
  settings.known_hosts = {home_ / ".ssh/known_hosts"};
  {
    SshConnection machine = connection(settings);
    EXPECT_TRUE(machine.lstat("/").has_value());
    EXPECT_THAT(machine.take_notes(), testing::ElementsAre(HasSubstr("was added to")));
  }
  const std::string added = test::read_text(home_ / ".ssh/known_hosts");
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
  EXPECT_EQ(test::read_text(home_ / ".ssh/known_hosts"), added);
}

TEST_F(HostKeyTest, AProbedKeyThatIsTrustedOpensTheWay) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.known_hosts = {home_ / ".ssh/known_hosts"};
  const HostKey key = probe_host_key("web1", settings, user_);
  EXPECT_EQ(key.host_pattern, "[127.0.0.1]:" + std::to_string(sshd.port()));
  EXPECT_EQ(key.type, "ssh-ed25519");
  EXPECT_THAT(sshd.log(), Not(HasSubstr("userauth-request")));
  EXPECT_EQ(judge_host_key(settings, user_, key).verdict, HostKeyVerdict::unknown);
  EXPECT_EQ(trust_host_key(settings, user_, key), home_ / ".ssh/known_hosts");
  EXPECT_EQ(judge_host_key(settings, user_, key).verdict, HostKeyVerdict::ok);
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
}

TEST_F(HostKeyTest, TheKeyTypeThatIsKnownIsAskedFor) {
  Sshd::Options options;
  options.host_key_types = {"ed25519", "ecdsa", "rsa"};
  const Sshd sshd(options);
  for (const std::string& type : options.host_key_types) {
    config::SshSettings settings = settings_for(sshd);
    settings.known_hosts = {home_.write("known_hosts_" + type, sshd.known_hosts_line(type))};
    EXPECT_TRUE(connection(settings).lstat("/").has_value()) << type;
    const HostKey key = probe_host_key("web1", settings, user_);
    EXPECT_THAT(sshd.known_hosts_line(type),
                testing::StartsWith(key.host_pattern + " " + key.type + " " + key.base64));
  }
}

TEST_F(HostKeyTest, AnAliasNamesTheHostKey) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  const std::string line = sshd.known_hosts_line("ed25519");
  settings.known_hosts = {home_.write("known_hosts", "pool" + line.substr(line.find(' ')))};
  EXPECT_THAT(failure_of(settings).message, HasSubstr("is not known"));
  settings.host_key_alias = "pool";
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
}

TEST_F(HostKeyTest, WithoutACommonAlgorithmTheErrorIsPermanent) {
  Sshd::Options options;
  options.extra = {"Ciphers aes256-cbc"};
  const Sshd sshd(options);
  const Failure failure = failure_of(settings_for(sshd));
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("aes256-cbc"));
}

}  // namespace
}  // namespace peerstage::peers::ssh

#include "peers/ssh/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "peers/failure.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::ssh {
namespace {

using config::SshSettings;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Options : public testing::Test {
 protected:
  Options() {
    settings_.host = "web1";
    ::unsetenv("SSH_AUTH_SOCK");
  }

  ConnectionOptions resolve(const std::string& user_config = "", const std::string& system_config = "") {
    home_.write(".ssh/config", user_config);
    const std::string system = home_.write("system_config", system_config);
    return resolve_options(settings_, user_, {"~/.ssh/config", system});
  }

  std::string error_of(const std::string& user_config) {
    try {
      resolve(user_config);
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), FailureKind::permanent);
      return error.what();
    }
    return "no error";
  }

  test::TemporaryDirectory home_;
  LocalUser user_{"backup", home_.path().string()};
  SshSettings settings_;
};

TEST_F(Options, WithoutAnyConfigurationAreTheDefaults) {
  const ConnectionOptions options = resolve();
  EXPECT_EQ(options.host, "web1");
  EXPECT_EQ(options.port, config::Port{22});
  EXPECT_EQ(options.user, "backup");
  EXPECT_EQ(options.known_host, "web1");
  EXPECT_THAT(options.identity_files, IsEmpty());
  EXPECT_THAT(options.default_identity_files,
              ElementsAre(home_ / ".ssh/id_ed25519", home_ / ".ssh/id_ecdsa", home_ / ".ssh/id_rsa"));
  EXPECT_THAT(options.user_known_hosts, ElementsAre(home_ / ".ssh/known_hosts", home_ / ".ssh/known_hosts2"));
  EXPECT_EQ(options.host_key_policy, config::HostKeyPolicy::strict);
  EXPECT_EQ(options.compression, Compression::off);
  EXPECT_EQ(options.connect_timeout, std::chrono::seconds(10));
  EXPECT_EQ(options.idle_timeout, std::chrono::seconds(60));
  EXPECT_THAT(options.ciphers, StartsWith("aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,"));
}

TEST_F(Options, TheSettingsWinOverTheUsersConfigurationAndThatOverTheSystems) {
  const std::string user_config = "Port 2\nUser two\nStrictHostKeyChecking accept-new\nCompression yes\n";
  const std::string system_config =
      "Port 3\nUser three\nCompression no\nConnectTimeout 1m30s\nAddressFamily inet6\n";
  ConnectionOptions options = resolve(user_config, system_config);
  EXPECT_EQ(options.port, config::Port{2});
  EXPECT_EQ(options.user, "two");
  EXPECT_EQ(options.host_key_policy, config::HostKeyPolicy::accept_new);
  EXPECT_EQ(options.compression, Compression::on);
  EXPECT_EQ(options.connect_timeout, std::chrono::seconds(90));
  EXPECT_EQ(options.address_family, config::AddressFamily::ipv6);

  settings_.user = "one";
  settings_.port = config::Port{1};
  settings_.host_key_policy = config::HostKeyPolicy::strict;
  settings_.compression = false;
  settings_.address_family = config::AddressFamily::ipv4;
  settings_.connect_timeout = std::chrono::seconds(1);
  options = resolve(user_config, system_config);
  EXPECT_EQ(options.port, config::Port{1});
  EXPECT_EQ(options.user, "one");
  EXPECT_EQ(options.host_key_policy, config::HostKeyPolicy::strict);
  EXPECT_EQ(options.compression, Compression::off);
  EXPECT_EQ(options.connect_timeout, std::chrono::seconds(1));
  EXPECT_EQ(options.address_family, config::AddressFamily::ipv4);
}

TEST_F(Options, TheUserIsThePeersElseThatOfTheConfigurationElseThePools) {
  settings_.default_user = "pool";
  EXPECT_EQ(resolve().user, "pool");
  EXPECT_EQ(resolve("User configured\n").user, "configured");
  settings_.user = "own";
  EXPECT_EQ(resolve("User configured\n").user, "own");
}

TEST_F(Options, AConfigurationFileOfTheSettingsReplacesBoth) {
  settings_.config_file = home_.write("own", "Port 4\n");
  EXPECT_EQ(resolve("Port 2\nUser two\n", "User three\n").port, config::Port{4});
  EXPECT_EQ(resolve("Port 2\nUser two\n", "User three\n").user, "backup");
  settings_.config_file = "none";
  EXPECT_EQ(resolve("Port 2\n").port, config::Port{22});
  settings_.config_file = home_ / "missing";
  EXPECT_THAT(error_of(""), HasSubstr("there is no ssh configuration"));
}

TEST_F(Options, HostNameMapsTheHostAndNamesTheHostKey) {
  const ConnectionOptions options = resolve("Host web1\nHostName %h.Example.org\nPort 2222\n");
  EXPECT_EQ(options.host, "web1.Example.org");
  EXPECT_EQ(options.known_host, "[web1.example.org]:2222");
}

TEST_F(Options, HostKeyAliasNamesTheHostKeyWithoutAPort) {
  EXPECT_EQ(resolve("HostKeyAlias pool\nPort 2222\n").known_host, "pool");
  settings_.host_key_alias = "other";
  EXPECT_EQ(resolve("HostKeyAlias pool\n").known_host, "other");
}

TEST_F(Options, PathsKnowHomeTokensAndEnvironment) {
  settings_.user = "joe";
  ::setenv("PEERSTAGE_TEST_KEYS", "/keys", 1);
  const ConnectionOptions options = resolve(
      "HostName real\nIdentityFile ~/k\nIdentityFile %d/%u-%r@%h-%n-%p-%i-%%\nIdentityFile "
      "${PEERSTAGE_TEST_KEYS}/k\nUserKnownHostsFile ~/a %d/b\n");
  EXPECT_THAT(
      options.identity_files,
      ElementsAre(home_ / "k", home_ / ("backup-joe@real-web1-22-" + std::to_string(::getuid()) + "-%"),
                  "/keys/k"));
  EXPECT_THAT(options.user_known_hosts, ElementsAre(home_ / "a", home_ / "b"));
  EXPECT_THAT(options.default_identity_files, IsEmpty());
}

TEST_F(Options, ConfiguredFilesComeBeforeThoseOfTheConfiguration) {
  settings_.identity_files = {"/own"};
  settings_.known_hosts = {"/known"};
  const ConnectionOptions options = resolve("IdentityFile /theirs\nUserKnownHostsFile /theirs\n");
  EXPECT_THAT(options.identity_files, ElementsAre("/own", "/theirs"));
  EXPECT_THAT(options.user_known_hosts, ElementsAre("/known"));
}

TEST_F(Options, TheAgentIsThatOfTheEnvironmentUnlessSaidOtherwise) {
  ::setenv("SSH_AUTH_SOCK", "/agent", 1);
  ::setenv("PEERSTAGE_TEST_AGENT", "/other", 1);
  EXPECT_EQ(resolve().agent_socket, "/agent");
  EXPECT_EQ(resolve("IdentityAgent none\n").agent_socket, "");
  EXPECT_EQ(resolve("IdentityAgent SSH_AUTH_SOCK\n").agent_socket, "/agent");
  EXPECT_EQ(resolve("IdentityAgent $PEERSTAGE_TEST_AGENT\n").agent_socket, "/other");
  EXPECT_EQ(resolve("IdentityAgent ~/sock\n").agent_socket, home_ / "sock");
  ::unsetenv("SSH_AUTH_SOCK");
  EXPECT_EQ(resolve().agent_socket, "");
}

TEST_F(Options, AProxyIsAnErrorWithItsPlaceUnlessItIsNone) {
  EXPECT_THAT(error_of("Host *\nProxyJump gate\n"), HasSubstr("config:2: ProxyJump is not supported"));
  EXPECT_THAT(error_of("ProxyCommand nc %h %p\n"), HasSubstr("config:1: ProxyCommand is not supported"));
  EXPECT_EQ(error_of("ProxyJump none\nProxyCommand none\n"), "no error");
  EXPECT_EQ(error_of("Host other\nProxyJump gate\n"), "no error");
}

TEST_F(Options, ABadValueIsAnErrorWithItsPlace) {
  EXPECT_THAT(error_of("Port 0\n"), HasSubstr("config:1: Port must be"));
  EXPECT_THAT(error_of("Port 22x\n"), HasSubstr("config:1: Port must be"));
  EXPECT_THAT(error_of("\nCompression maybe\n"), HasSubstr("config:2: Compression must be"));
  EXPECT_THAT(error_of("ConnectTimeout 0\n"), HasSubstr("ConnectTimeout must be"));
  EXPECT_THAT(error_of("ConnectTimeout 5x\n"), HasSubstr("ConnectTimeout must be"));
  EXPECT_THAT(error_of("StrictHostKeyChecking sometimes\n"), HasSubstr("StrictHostKeyChecking must be"));
  EXPECT_THAT(error_of("AddressFamily ipv4\n"), HasSubstr("config:1: AddressFamily must be"));
  EXPECT_THAT(error_of("IdentityFile %z\n"), HasSubstr("the token %z is not supported"));
  EXPECT_THAT(error_of("IdentityFile k%\n"), HasSubstr("a % stands at the end of k%"));
  ::unsetenv("PEERSTAGE_TEST_ABSENT");
  EXPECT_THAT(error_of("IdentityFile ${PEERSTAGE_TEST_ABSENT}/k\n"),
              HasSubstr("the environment has no PEERSTAGE_TEST_ABSENT"));
}

struct AlgorithmCase {
  const char* name;
  const char* wanted;
  const char* result;
};

class Algorithms : public testing::TestWithParam<AlgorithmCase> {};

TEST_P(Algorithms, OfTheDefaultsAbcBecome) {
  EXPECT_EQ(apply_algorithms("a1,b1,c1", GetParam().wanted), GetParam().result);
}

INSTANTIATE_TEST_SUITE_P(Table, Algorithms,
                         testing::Values(AlgorithmCase{"Replaced", "x,y", "x,y"},
                                         AlgorithmCase{"Appended", "+x,b1", "a1,b1,c1,x"},
                                         AlgorithmCase{"Removed", "-b1,c*", "a1"},
                                         AlgorithmCase{"InFront", "^c1,x", "c1,x,a1,b1"}),
                         [](const auto& test) { return test.param.name; });

TEST(PreferKeyTypes, PutsTheAlgorithmsOfKnownKeysFirst) {
  EXPECT_EQ(prefer_key_types("ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256", {"ssh-rsa"}),
            "rsa-sha2-512,rsa-sha2-256,ssh-ed25519,ecdsa-sha2-nistp256");
  EXPECT_EQ(prefer_key_types("ssh-ed25519,rsa-sha2-512", {}), "ssh-ed25519,rsa-sha2-512");
}

}  // namespace
}  // namespace peerstage::peers::ssh

#include "peers/ssh/ssh_connection.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/sshd.h"
#include "tests/support/tcp_server.h"

namespace peerstage::peers::ssh {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Sshd;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using SteadyClock = std::chrono::steady_clock;

/// Keeps what is fetched, and may do something when the first bytes come.
class Collector : public FileReceiver {
 public:
  explicit Collector(std::vector<FetchRequest> requests) : requests_(std::move(requests)) {}

  std::optional<FetchRequest> next() override {
    if (asked_ == requests_.size()) return std::nullopt;
    return requests_[asked_++];
  }
  void data(std::size_t id, std::span<const std::byte> bytes) override {
    if (at_first_data) std::exchange(at_first_data, nullptr)();
    content[id].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void complete(std::size_t id) override { completed.push_back(id); }
  void failed(std::size_t id, const Failure& failure) override { failures[id] = failure; }

  std::function<void()> at_first_data;
  std::map<std::size_t, std::string> content;
  std::vector<std::size_t> completed;
  std::map<std::size_t, Failure> failures;

 private:
  std::vector<FetchRequest> requests_;
  std::size_t asked_ = 0;
};

class SshConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Sshd::available()) GTEST_SKIP() << "SKIPPED LOUDLY: there is no /usr/sbin/sshd on this machine";
    ::unsetenv("SSH_AUTH_SOCK");
  }

  /// Settings that open the door of a server.
  config::SshSettings settings_for(const Sshd& sshd) const {
    config::SshSettings settings;
    settings.host = sshd.address();
    settings.port = config::Port{sshd.port()};
    settings.user = sshd.user();
    settings.identity_files = {sshd.client_key()};
    settings.known_hosts = {sshd.known_hosts()};
    settings.global_known_hosts = {"none"};
    settings.config_file = "none";
    settings.connect_timeout = seconds(5);
    settings.idle_timeout = seconds(5);
    return settings;
  }

  SshConnection connection(const config::SshSettings& settings) const {
    return SshConnection("web1", settings, user_);
  }

  /// The failure of a login.
  Failure failure_of(const config::SshSettings& settings) const {
    try {
      connection(settings).lstat("/");
    } catch (const PeerError& error) {
      return error.failure();
    }
    return {FailureKind::cancelled, "no failure"};
  }

  test::TemporaryDirectory home_;
  LocalUser user_{"tester", home_.path().string()};
};

Command words(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return command;
}

Command line(const std::string& text) {
  Command command;
  command.shell_line = text;
  return command;
}

// What an honest machine does.

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

  Collector collector(
      {{0, source / "a", 0, 5}, {1, source / "big", 1'000'000, big.size()}, {2, source / "no", 0, 1}});
  machine.fetch(collector);
  EXPECT_EQ(collector.content[0], "alpha");
  EXPECT_EQ(collector.content[1], big.substr(1'000'000));
  EXPECT_THAT(collector.completed, testing::UnorderedElementsAre(0U, 1U));
  EXPECT_EQ(collector.failures.count(2), 1U);

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
  Collector collector({{0, source / "big", 0, content.size()}});
  machine.fetch(collector);
  EXPECT_TRUE(collector.content[0] == content);
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

// Who the machine is.

TEST_F(SshConnectionTest, AnUnknownHostKeyEndsBeforeAuthentication) {
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

TEST_F(SshConnectionTest, AChangedHostKeyEndsBeforeAuthenticationWhateverThePolicy) {
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

TEST_F(SshConnectionTest, ARevokedHostKeyIsRefused) {
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

TEST_F(SshConnectionTest, AcceptNewAddsAnUnknownKeyOnceAndLogsIn) {
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

TEST_F(SshConnectionTest, AProbedKeyThatIsTrustedOpensTheWay) {
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

TEST_F(SshConnectionTest, TheKeyTypeThatIsKnownIsAskedFor) {
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

TEST_F(SshConnectionTest, AnAliasNamesTheHostKey) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  const std::string line = sshd.known_hosts_line("ed25519");
  settings.known_hosts = {home_.write("known_hosts", "pool" + line.substr(line.find(' ')))};
  EXPECT_THAT(failure_of(settings).message, HasSubstr("is not known"));
  settings.host_key_alias = "pool";
  EXPECT_TRUE(connection(settings).lstat("/").has_value());
}

TEST_F(SshConnectionTest, WithoutACommonAlgorithmTheErrorIsPermanent) {
  Sshd::Options options;
  options.extra = {"Ciphers aes256-cbc"};
  const Sshd sshd(options);
  const Failure failure = failure_of(settings_for(sshd));
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("aes256-cbc"));
}

// Who we are.

TEST_F(SshConnectionTest, ARefusedKeyIsNamed) {
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

TEST_F(SshConnectionTest, AServerThatTakesOnlyPasswordsGetsNone) {
  Sshd::Options options;
  options.extra = {"PubkeyAuthentication no", "PasswordAuthentication yes"};
  const Sshd sshd(options);
  EXPECT_EQ(failure_of(settings_for(sshd)).kind, FailureKind::permanent);
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method password")));
}

TEST_F(SshConnectionTest, AServerThatWantsMoreThanAKeyIsRefused) {
  Sshd::Options options;
  options.extra = {"AuthenticationMethods publickey,password", "PasswordAuthentication yes"};
  const Sshd sshd(options);
  const Failure failure = failure_of(settings_for(sshd));
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_THAT(failure.message, HasSubstr("wants more than a key"));
  EXPECT_THAT(sshd.log(), Not(HasSubstr("method password")));
}

TEST_F(SshConnectionTest, AKeyWithAPassphraseIsNamedAndNoPublicFileIsWritten) {
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

TEST_F(SshConnectionTest, AKeyThatOthersCanReadIsRefusedByName) {
  const Sshd sshd;
  fs::permissions(sshd.client_key(), fs::perms(0644));
  EXPECT_THAT(failure_of(settings_for(sshd)).message, HasSubstr("others can read it"));
}

TEST_F(SshConnectionTest, TheDefaultKeysOfTheUserAreTried) {
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

TEST_F(SshConnectionTest, AnAgentOpensTheDoorUnlessOnlyConfiguredKeysCount) {
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

TEST_F(SshConnectionTest, AnAgentThatIsGoneOrSilentDoesNotHoldUs) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.identity_files.clear();
  settings.identity_agent = home_ / "gone";
  EXPECT_THAT(failure_of(settings).message, HasSubstr("gone (no agent answers there)"));

  const test::SilentSocket silent(home_ / "silent");
  settings.identity_agent = home_ / "silent";
  settings.connect_timeout = milliseconds(500);
  const auto start = SteadyClock::now();
  EXPECT_EQ(failure_of(settings).kind, FailureKind::transient);
  EXPECT_LT(SteadyClock::now() - start, seconds(3));
}

// A machine that does not answer.

TEST_F(SshConnectionTest, NobodyListensIsTransient) {
  config::SshSettings settings;
  {
    const Sshd sshd;
    settings = settings_for(sshd);
  }
  settings.known_hosts = {"none"};
  const Failure failure = failure_of(settings);
  EXPECT_EQ(failure.kind, FailureKind::transient);
  EXPECT_THAT(failure.message, AllOf(HasSubstr("cannot connect to web1"), HasSubstr("refused")));
}

TEST_F(SshConnectionTest, AHostWithoutAddressIsTransientAndNamed) {
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

class Silence : public SshConnectionTest, public testing::WithParamInterface<SilenceCase> {};

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

TEST_F(SshConnectionTest, AHugePacketLengthIsHostile) {
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

TEST_F(SshConnectionTest, TextOfTheServerIsEscaped) {
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

TEST_F(SshConnectionTest, AnSftpServerThatSaysNothingEndsAtTheConnectTimeout) {
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

TEST_F(SshConnectionTest, AnSftpServerThatIsNotThereIsExplained) {
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

TEST_F(SshConnectionTest, AnAuthenticationThatHangsEndsAtTheConnectTimeout) {
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

class Interrupted : public SshConnectionTest {
 protected:
  /// The failure of a fetch during which something happens to the server.
  Failure fetch_while(const config::SshSettings& settings, std::function<void()> happens) {
    const test::TemporaryDirectory source;
    fs::resize_file(source.write("big", ""), 2'000'000'000);
    SshConnection machine = connection(settings);
    Collector collector({{0, source / "big", 0, 2'000'000'000}});
    collector.at_first_data = std::move(happens);
    try {
      machine.fetch(collector);
    } catch (const PeerError& error) {
      EXPECT_THAT(collector.completed, IsEmpty());
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

// Commands.

TEST_F(SshConnectionTest, ACommandSeesExactlyItsWordsAndItsInput) {
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

TEST_F(SshConnectionTest, AShellLineIsSentByteForByte) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  EXPECT_EQ(machine.run(line("echo  a   b | tr a-z A-Z; exit 3")).output, "A B\n");
  EXPECT_EQ(machine.run(line("echo  \"$SSH_ORIGINAL_COMMAND\"")).output, "\n");
}

TEST_F(SshConnectionTest, TheEndOfACommandIsToldTruly) {
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

TEST_F(SshConnectionTest, AFloodOnBothStreamsIsCountedAndNotKept) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  machine.run(words({"true"}));
  const std::size_t before = test::resident_bytes();
  Command flood = line("head -c 100000000 /dev/zero & head -c 50000000 /dev/zero >&2; wait");
  flood.output_limit = 1000;
  const CommandResult result = machine.run(flood);
  EXPECT_TRUE(result.succeeded());
  EXPECT_EQ(result.output, std::string(1000, '\0'));
  EXPECT_EQ(result.error_output.size(), 1000U);
  EXPECT_EQ(result.output_bytes, 100'000'000U);
  EXPECT_EQ(result.error_bytes, 50'000'000U);
  EXPECT_TRUE(test::grew_by_less_than(32U << 20U, before));
}

TEST_F(SshConnectionTest, ACommandThatNeverEndsIsStoppedAtItsDeadline) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  const fs::path stopped = home_ / "stopped";
  Command endless = line("trap 'touch " + stopped.string() + "; exit' TERM; while :; do sleep 0.05; done");
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

TEST_F(SshConnectionTest, ACommandThatFloodsForEverIsStoppedAtItsDeadline) {
  const Sshd sshd;
  SshConnection machine = connection(settings_for(sshd));
  Command endless = line("cat /dev/zero");
  endless.deadline = milliseconds(500);
  EXPECT_THROW(machine.run(endless), PeerError);
}

TEST_F(SshConnectionTest, ASilentCommandMayTakeLongerThanTheIdleTimeout) {
  const Sshd sshd;
  config::SshSettings settings = settings_for(sshd);
  settings.idle_timeout = milliseconds(300);
  SshConnection machine = connection(settings);
  EXPECT_EQ(machine.run(line("sleep 1.2; echo done")).output, "done\n");
}

TEST_F(SshConnectionTest, AMachineThatFallsSilentDuringACommandIsNoticed) {
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

#include "config/ssh_command.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::config {
namespace {

using Words = std::vector<std::string>;

TEST(SplitCommand, SeparatesAsCedarBackupDoes) {
  struct Row {
    std::string command;
    Words words;
  };
  for (const Row& row : std::vector<Row>{{"scp -B  -q ", {"scp", "-B", "-q"}},
                                         {"", {}},
                                         {"a\"b c\"d", {"a", "b c", "d"}},
                                         {"a=\"b c\"", {"a=", "b c"}},
                                         {"a \"\" b", {"a", "b"}},
                                         {"a\tb\nc", {"a\tb\nc"}},
                                         {"a 'b c' \\d $e", {"a", "'b", "c'", "\\d", "$e"}},
                                         {"a \"b c", {"a", "b", "c"}},
                                         {"a\"", {"a"}}}) {
    EXPECT_EQ(split_command(row.command), row.words) << row.command;
  }
}

SshSettings scp(const std::string& options) {
  const SshCommand command = read_ssh_command("scp " + options, SshProgram::scp);
  for (const auto& notice : command.notices) ADD_FAILURE() << options << ": " << notice.message;
  return command.settings;
}

SshSettings ssh(const std::string& options) {
  const SshCommand command = read_ssh_command("/usr/bin/ssh " + options, SshProgram::ssh);
  for (const auto& notice : command.notices) ADD_FAILURE() << options << ": " << notice.message;
  return command.settings;
}

TEST(SshCommand, ReadsOptionsBundledAttachedAndApart) {
  for (const char* options : {"-P22", "-P 22", "-BqP22", "-Bq -P 22 -T", "-oPort=22", "-o Port=22",
                              "-o \"Port 22\"", "-o \"port = 22\"", "-qo PORT=22", "-P 22 --"}) {
    EXPECT_EQ(scp(options).port, Port{22}) << options;
  }
}

TEST(SshCommand, TakesOfSeveralValuesTheOneThatOpensshTakes) {
  EXPECT_EQ(scp("-P 1 -P 2").port, Port{2});
  EXPECT_EQ(scp("-P 1 -o Port=2 -o Port=3").port, Port{2});
  EXPECT_EQ(ssh("-p 1 -p 2").port, Port{1});
  EXPECT_EQ(ssh("-o Port=3 -p 1").port, Port{3});
  EXPECT_EQ(ssh("-l a -l b -o User=c").user, "a");
  EXPECT_EQ(scp("-o User=a -o User=b").user, "a");
  EXPECT_EQ(scp("-o Ciphers=a -c b -o Ciphers=d").ciphers, "b");
  EXPECT_EQ(scp("-o Compression=no -C").compression, true);
  EXPECT_EQ(scp("-6 -o AddressFamily=inet").address_family, AddressFamily::ipv6);
  EXPECT_EQ(scp("-o AddressFamily=inet").address_family, AddressFamily::ipv4);
  EXPECT_EQ(scp("-i /a -o IdentityFile=~/b -i /c").identity_files, (Words{"/a", "~/b", "/c"}));
  EXPECT_EQ(scp("-F /a -F none").config_file, "none");
}

TEST(SshCommand, AppliesEveryKeyThatMeansSomething) {
  EXPECT_EQ(scp("-o \"UserKnownHostsFile=/a ~/b\" -o UserKnownHostsFile=/c").known_hosts,
            (Words{"/a", "~/b"}));
  EXPECT_EQ(scp("-o GlobalKnownHostsFile=/dev/null").global_known_hosts, Words{"/dev/null"});
  EXPECT_EQ(scp("-oHostKeyAlias=pool").host_key_alias, "pool");
  EXPECT_EQ(scp("-oHostName=%h.lan").host, "%h.lan");
  EXPECT_EQ(scp("-oKexAlgorithms=k").key_exchanges, "k");
  EXPECT_EQ(scp("-oMACs=m").macs, "m");
  EXPECT_EQ(scp("-oHostKeyAlgorithms=h").host_key_algorithms, "h");
  EXPECT_EQ(scp("-oConnectTimeout=10").connect_timeout, std::chrono::seconds(10));
  EXPECT_EQ(scp("-oConnectTimeout=1m30s").connect_timeout, std::chrono::seconds(90));
  EXPECT_EQ(scp("-oConnectTimeout=none").connect_timeout, std::nullopt);
  EXPECT_EQ(scp("-oIdentityAgent=none").identity_agent, "none");
  EXPECT_EQ(scp("-oIdentitiesOnly=yes").identities_only, true);
  EXPECT_EQ(scp("-oStrictHostKeyChecking=yes").host_key_policy, HostKeyPolicy::strict);
  EXPECT_EQ(scp("-oStrictHostKeyChecking=ask").host_key_policy, HostKeyPolicy::strict);
  EXPECT_EQ(scp("-oStrictHostKeyChecking=accept-new").host_key_policy, HostKeyPolicy::accept_new);
}

TEST(SshCommand, AcceptsWithoutEffectWhatIsNeverDone) {
  const SshSettings settings = scp(
      "-BqTOpv -oBatchMode=yes -oLogLevel=QUIET -oServerAliveInterval=5 -oControlMaster=auto -oForwardX11=no "
      "-oPasswordAuthentication=no -oPreferredAuthentications=publickey -oPubkeyAuthentication=yes "
      "-oProtocol=2 "
      "-oProxyJump=none -oProxyCommand=none");
  EXPECT_EQ(settings.port, std::nullopt);
  EXPECT_EQ(ssh("-q -T -v -x -a -n").user, "");
}

TEST(SshCommand, ReadsLAsALimitForScpAndAsALoginForSsh) {
  EXPECT_EQ(read_ssh_command("scp -l 8000", SshProgram::scp).bandwidth_limit, ByteCount{8000U * 1024 / 8});
  EXPECT_EQ(ssh("-l backup").user, "backup");
}

struct Case {
  const char* name;
  std::string command;
  Severity severity;
  const char* message;  ///< a part of it
};
void PrintTo(const Case& row, std::ostream* out) {
  *out << row.name;
}

class Notice : public testing::TestWithParam<Case> {};

TEST_P(Notice, SaysWhatCannotBeHonoured) {
  const auto notices = read_ssh_command(GetParam().command, SshProgram::scp).notices;
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_EQ(notices[0].severity, GetParam().severity);
  EXPECT_NE(notices[0].message.find(GetParam().message), std::string::npos) << notices[0].message;
}

INSTANTIATE_TEST_SUITE_P(
    Commands, Notice,
    testing::Values(
        Case{"wrapper", "/usr/local/bin/copy -x", Severity::error, "\"/usr/local/bin/copy\" is not scp"},
        Case{"similar_name", "scp.sh", Severity::error, "is not scp"},
        Case{"ssh_for_scp", "ssh", Severity::error, "is not scp"},
        Case{"nothing", "  ", Severity::error, "is not scp"},
        Case{"old_protocol", "scp -B1q", Severity::error, "the option -1 of scp"},
        Case{"program", "scp -S /bin/x", Severity::error, "the option -S of scp"},
        Case{"long_option", "scp -- --x", Severity::error, "\"--x\" is no option"},
        Case{"file", "scp web1:/x", Severity::error, "\"web1:/x\" is no option"},
        Case{"missing_value", "scp -P", Severity::error, "-P lacks its value"},
        Case{"bad_port", "scp -P ssh", Severity::error, "\"ssh\" of -P must be"},
        Case{"bad_limit", "scp -l 0", Severity::error, "\"0\" of -l must be"},
        Case{"relative_key", "scp -i id", Severity::error, "\"id\" of -i must be an absolute path"},
        Case{"jump", "scp -J gate", Severity::error, "-J \"gate\" cannot be honoured"},
        Case{"jump_key", "scp -oProxyJump=gate", Severity::error, "ProxyJump \"gate\" cannot be honoured"},
        Case{"proxy", "scp -o \"ProxyCommand=nc %h %p\"", Severity::error,
             "ProxyCommand \"nc %h %p\" cannot be honoured"},
        Case{"unknown_key", "scp -o Foo=1", Severity::error, "-o Foo is not known"},
        Case{"line_end_in_a_key", "scp -o Fo\no=1", Severity::error, "\"Fo\\x0ao=1\" is not of the form"},
        Case{"letter_of_no_option", "scp -Bé", Severity::error, "\"-Bé\" is no option"},
        Case{"line_end_in_options", "scp -B\nq", Severity::error, "\"-B\\x0aq\" is no option"},
        Case{"key_without_value", "scp -o Port=", Severity::error, "not of the form Key=Value"},
        Case{"bad_value", "scp -o Compression=maybe", Severity::error, "must be yes or no"},
        Case{"no_keys_at_all", "scp -o PubkeyAuthentication=no", Severity::error, "no way to log in"},
        Case{"bad_time", "scp -o ConnectTimeout=soon", Severity::error,
             "\"soon\" of -o ConnectTimeout must be a time"},
        Case{"bad_family", "scp -o AddressFamily=ipx", Severity::error, "must be any, inet or inet6"},
        Case{"bad_host_key_policy", "scp -o StrictHostKeyChecking=maybe", Severity::error,
             "must be yes, ask, accept-new or no"},
        Case{"version_one", "scp -o Protocol=1", Severity::error, "must be 2"},
        Case{"recursion", "scp -r", Severity::warning, "<subdirectories> decides"},
        Case{"careless_host_keys", "scp -oStrictHostKeyChecking=no", Severity::warning,
             "a changed host key is still refused"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(SshCommand, ReportsEveryFaultOfACommand) {
  EXPECT_EQ(read_ssh_command("scp -1 -o Foo=1 -P x -S y z", SshProgram::scp).notices.size(), 5U);
}

}  // namespace
}  // namespace peerstage::config

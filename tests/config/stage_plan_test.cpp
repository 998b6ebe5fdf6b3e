#include "config/stage_plan.h"

#include <string>

#include <gtest/gtest.h>

#include "config/load.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::config {
namespace {

std::string document(const std::string& rcp, const std::string& sections) {
  return "<cb_config><options><starting_day>friday</starting_day><working_dir>/w</"
         "working_dir><backup_user>pool</backup_user>"
         "<backup_group>staff</backup_group><rcp_command>" +
         rcp +
         "</rcp_command><rsh_command>ssh</rsh_command><cback_command>cback3</cback_command>"
         "<managed_actions>collect</managed_actions></options>" +
         sections + "</cb_config>";
}

std::string peer(const std::string& name, const std::string& type, const std::string& more = "") {
  return "<peer><name>" + name + "</name><type>" + type + "</type><collect_dir>/c/" + name +
         "</collect_dir>" + more + "</peer>";
}
std::string stage(const std::string& peers) {
  return "<stage><staging_dir>/s</staging_dir>" + peers + "</stage>";
}
std::string peers(const std::string& list) {
  return "<peers>" + list + "</peers>";
}
std::string own(const std::string& staging, const std::string& ssh = "") {
  return "<peerstage><staging>" + staging + "</staging><ssh>" + ssh + "</ssh></peerstage>";
}

struct Result {
  std::optional<StagePlan> plan;
  std::vector<Finding> findings;
};

Result plan(const std::string& text) {
  const test::TemporaryDirectory directory;
  LoadResult loaded = load(directory.write("cback.conf", text), StartedAs::user);
  Result result;
  EXPECT_TRUE(loaded.config) << (loaded.findings.empty() ? "" : loaded.findings.front().text());
  if (loaded.config) result.plan = plan_stage(*loaded.config, result.findings);
  return result;
}

StagePeer only_peer(const std::string& text) {
  const Result result = plan(text);
  if (!result.plan || result.plan->peers.size() != 1) {
    ADD_FAILURE() << "there is not exactly one peer";
    return {};
  }
  return result.plan->peers.front();
}

SshSettings ssh_of(const std::string& rcp, const std::string& peer_elements, const std::string& ssh = "") {
  return only_peer(document(rcp, stage(peer("web1", "remote", peer_elements)) + own("", ssh)))
      .ssh.value_or(SshSettings{});
}

TEST(StagePlan, HasTheDefaultsThatAreDocumented) {
  const Result result = plan(document("scp", stage(peer("a", "local"))));
  ASSERT_TRUE(result.plan);
  EXPECT_EQ(result.plan->staging_dir, "/s");
  EXPECT_EQ(result.plan->backup_user, "pool");
  EXPECT_EQ(result.plan->backup_group, "staff");
  EXPECT_EQ(result.plan->starting_day, Day::friday);
  EXPECT_EQ(result.plan->parallel_peers, 8U);
  EXPECT_EQ(result.plan->bandwidth_limit, ByteCount{0});
  EXPECT_EQ(result.plan->minimum_free, MinimumFree{5.0});
  EXPECT_EQ(result.plan->daily_indicator, DailyIndicator::complete);
  const StagingSettings& staging = result.plan->peers.at(0).staging;
  EXPECT_EQ(staging.retries, 3U);
  EXPECT_EQ(staging.retry_delay, std::chrono::seconds(30));
  EXPECT_EQ(staging.poll_interval, std::chrono::seconds(30));
  EXPECT_EQ(staging.wait_for_collect, std::chrono::seconds(0));
  EXPECT_TRUE(staging.reuse_unchanged);
  EXPECT_EQ(staging.verify, Verify::manifest);
  EXPECT_EQ(staging.permissions, std::nullopt);
  EXPECT_FALSE(result.plan->peers.at(0).ssh);
}

TEST(StagePlan, TakesLocalPeersFirstEachInTheOrderOfTheFile) {
  const Result result = plan(document(
      "scp", peers(peer("r1", "remote") + peer("l1", "local") + peer("r2", "remote") + peer("l2", "local")) +
                 stage("")));
  ASSERT_TRUE(result.plan);
  std::vector<std::string> names;
  for (const StagePeer& each : result.plan->peers) names.push_back(each.name);
  EXPECT_EQ(names, (std::vector<std::string>{"l1", "l2", "r1", "r2"}));
}

TEST(StagePlan, TakesThePeersOfStageAloneWhenThereIsOne) {
  const std::string managed = "<managed>Y</managed>";
  const StagePeer only =
      only_peer(document("scp", peers(peer("a", "remote", managed)) + stage(peer("b", "remote", managed))));
  EXPECT_EQ(only.name, "b");
  EXPECT_TRUE(only.managed_actions.empty()) << "only peers of the peers section are managed";
}

TEST(StagePlan, ResolvesWhatAManagedPeerRuns) {
  const StagePeer inherited =
      only_peer(document("scp", peers(peer("a", "remote", "<managed>Y</managed>")) + stage("")));
  EXPECT_EQ(inherited.cback_command, "cback3");
  EXPECT_EQ(inherited.managed_actions, std::vector<std::string>{"collect"});
  const StagePeer own_values = only_peer(document(
      "scp",
      peers(
          peer("a", "remote",
               "<managed>Y</managed><cback_command>x</cback_command><managed_actions>,</managed_actions>")) +
          stage("")));
  EXPECT_EQ(own_values.cback_command, "x");
  EXPECT_TRUE(own_values.managed_actions.empty()) << "an empty list of its own replaces that of the options";
  EXPECT_TRUE(only_peer(document("scp", peers(peer("a", "remote")) + stage(""))).managed_actions.empty());
}

TEST(StagePlan, LetsAPeersOwnValueWinOverTheSection) {
  const StagePeer result = only_peer(document(
      "scp",
      stage(peer("a", "local",
                 "<retries>0</retries><verify>none</verify><minimum_free>0</minimum_free><group>g</group>")) +
          own("<retries>7</retries><retry_delay>1s</retry_delay><verify>checksum</verify>"
              "<minimum_free>9%</minimum_free>")));
  EXPECT_EQ(result.staging.retries, 0U);
  EXPECT_EQ(result.staging.retry_delay, std::chrono::seconds(1));
  EXPECT_EQ(result.staging.verify, Verify::none);
  EXPECT_EQ(result.staging.minimum_free, MinimumFree{ByteCount{0}});
  EXPECT_EQ(result.group, "g");
}

TEST(StagePlan, LimitsTheRateByThePeerThenTheSectionThenTheCommand) {
  const std::string limit = "<bandwidth_limit>2KB</bandwidth_limit>";
  const auto rate = [](const std::string& more, const std::string& section) {
    return only_peer(document("scp -l 8", stage(peer("a", "remote", more)) + own(section)))
        .staging.bandwidth_limit.bytes;
  };
  EXPECT_EQ(rate("", ""), 1024U);
  EXPECT_EQ(rate("", limit), 2048U);
  EXPECT_EQ(rate("<bandwidth_limit>0</bandwidth_limit>", limit), 0U);
  const Result result = plan(document("scp -l 8", stage(peer("a", "remote")) + own(limit)));
  ASSERT_TRUE(result.plan);
  EXPECT_EQ(result.plan->bandwidth_limit, ByteCount{2048});
}

TEST(StagePlan, FindsTheHost) {
  EXPECT_EQ(ssh_of("scp", "").host, "web1");
  EXPECT_EQ(ssh_of("scp -o HostName=%h.lan", "").host, "web1.lan");
  EXPECT_EQ(ssh_of("scp -o HostName=%h.lan", "<address>10.0.0.1</address>").host, "10.0.0.1");
}

TEST(StagePlan, FindsTheUserAsOpensshDoes) {
  EXPECT_EQ(ssh_of("scp", "").user, "");
  EXPECT_EQ(ssh_of("scp", "").default_user, "pool");
  EXPECT_EQ(ssh_of("scp", "<backup_user>web</backup_user>").user, "web");
  EXPECT_EQ(ssh_of("scp -o User=x", "<backup_user>web</backup_user>").user, "x");
}

TEST(StagePlan, LetsThePeerWinOverTheSectionAndThatOverTheCommand) {
  const std::string rcp =
      "scp -P 1 -i /command -o UserKnownHostsFile=/command -C -F /command -o ConnectTimeout=1";
  const std::string ssh =
      "<port>2</port><identity_file>/section</identity_file><known_hosts>/section</"
      "known_hosts><compression>N</compression>"
      "<config_file>none</config_file><connect_timeout>2s</connect_timeout>";
  const std::string more =
      "<port>3</port><identity_file>/peer</identity_file><known_hosts>/peer</known_hosts>";
  const auto expect = [](const SshSettings& settings, std::uint16_t port, const std::string& path) {
    EXPECT_EQ(settings.port, Port{port});
    EXPECT_EQ(settings.identity_files, std::vector<std::string>{path});
    EXPECT_EQ(settings.known_hosts, std::vector<std::string>{path});
  };
  expect(ssh_of(rcp, ""), 1, "/command");
  expect(ssh_of(rcp, "", ssh), 2, "/section");
  expect(ssh_of(rcp, more, ssh), 3, "/peer");
  EXPECT_EQ(ssh_of(rcp, "").compression, true);
  EXPECT_EQ(ssh_of(rcp, "", ssh).compression, false);
  EXPECT_EQ(ssh_of(rcp, "", ssh).config_file, "none");
  EXPECT_EQ(ssh_of(rcp, "", ssh).connect_timeout, std::chrono::seconds(2));
  EXPECT_EQ(ssh_of("scp", "").port, std::nullopt);
}

TEST(StagePlan, LetsAPeersCommandReplaceThatOfTheOptions) {
  const SshSettings settings = ssh_of("scp -P 1 -C", "<rcp_command>scp -P 2</rcp_command>");
  EXPECT_EQ(settings.port, Port{2});
  EXPECT_EQ(settings.compression, std::nullopt);
}

TEST(StagePlan, IsAbsentWhereARemotePeerUsesAWrapper) {
  const Result result = plan(document("wrapper", stage(peer("a", "remote") + peer("b", "remote"))));
  EXPECT_FALSE(result.plan);
  ASSERT_EQ(result.findings.size(), 1U) << "one command is judged once";
  EXPECT_EQ(result.findings[0].severity, Severity::error);
  EXPECT_EQ(result.findings[0].element, "options/rcp_command");
}

TEST(StagePlan, DoesNotJudgeACommandThatNoRemotePeerUses) {
  const Result result = plan(document(
      "wrapper", stage(peer("a", "local") + peer("b", "remote", "<rcp_command>scp -B</rcp_command>"))));
  EXPECT_TRUE(result.plan);
  EXPECT_TRUE(result.findings.empty());
}

TEST(StagePlan, IsAbsentWithoutAStageSection) {
  const Result result = plan(document("wrapper", "<purge/>"));
  EXPECT_FALSE(result.plan);
  EXPECT_TRUE(result.findings.empty());
}

Result plan_of_jobs(const std::string& rsh, const std::string& managed) {
  const std::string job =
      "<peerstage><daemon><job><name>j</name><schedule>@daily</schedule>"
      "<actions>collect,stage</actions>" +
      managed + "</job></daemon></peerstage>";
  return plan(document(
      "scp", peers(peer("a", "remote", "<managed>Y</managed><rsh_command>" + rsh + "</rsh_command>")) +
                 stage("") + job));
}

TEST(StagePlan, SaysHowAManagedPeerIsReachedByItsOwnCommand) {
  const StagePeer managed = only_peer(
      document("scp -P 1",
               peers(peer("a", "remote", "<managed>Y</managed><rsh_command>ssh -p 2 -l joe</rsh_command>")) +
                   stage("")));
  ASSERT_TRUE(managed.ssh && managed.managed_ssh);
  EXPECT_EQ(managed.ssh->port, Port{1});
  EXPECT_EQ(managed.managed_ssh->port, Port{2});
  EXPECT_EQ(managed.managed_ssh->user, "joe");
  EXPECT_EQ(managed.ssh->user, "");
}

TEST(StagePlan, APeerOfThePeersSectionIsManagedWhenStageHasItUnderItsName) {
  const StagePeer managed = only_peer(
      document("scp", peers(peer("a", "remote", "<managed>Y</managed>")) + stage(peer("a", "remote"))));
  EXPECT_EQ(managed.managed_actions, std::vector<std::string>{"collect"});
  const StagePeer here = only_peer(
      document("scp", peers(peer("a", "remote", "<managed>Y</managed>")) + stage(peer("a", "local"))));
  EXPECT_FALSE(here.managed_ssh) << "one that is not staged over SSH";
}

TEST(StagePlan, AWrapperAsRshCommandIsAnErrorOnlyWhereAJobManagesPeers) {
  const Result wanted = plan_of_jobs("/opt/mysh", "<managed>Y</managed>");
  EXPECT_FALSE(wanted.plan);
  EXPECT_TRUE(has_errors(wanted.findings));
  const Result unwanted = plan_of_jobs("/opt/mysh", "");
  ASSERT_TRUE(unwanted.plan);
  EXPECT_EQ(unwanted.findings.size(), 1U);
  EXPECT_FALSE(unwanted.plan->peers.at(0).managed_ssh);
}

}  // namespace
}  // namespace peerstage::config

#include "config/managed_plan.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/load.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::config {
namespace {

struct ManagedResult {
  std::optional<ManagedPlan> plan;
  std::vector<Finding> findings;
};

ManagedResult plan_of(const std::string& rsh, const std::string& sections) {
  const test::TemporaryDirectory directory;
  const LoadResult loaded = load(
      directory.write("cback.conf",
                      "<cb_config><options><starting_day>friday</starting_day><working_dir>/w</working_dir>"
                      "<backup_user>pool</backup_user><backup_group>staff</backup_group>"
                      "<rcp_command>/opt/wrapper</rcp_command><rsh_command>" +
                          rsh +
                          "</rsh_command><cback_command>cback3</cback_command>"
                          "<managed_actions>collect,purge</managed_actions></options>" +
                          sections + "</cb_config>"),
      StartedAs::user);
  ManagedResult result;
  EXPECT_TRUE(loaded.config) << (loaded.findings.empty() ? "" : loaded.findings.front().text());
  if (loaded.config) result.plan = plan_managed(*loaded.config, result.findings);
  return result;
}

std::string peer(const std::string& name, const std::string& more) {
  return "<peer><name>" + name + "</name><type>remote</type><collect_dir>/c</collect_dir>" + more + "</peer>";
}

const std::string staged = "<stage><staging_dir>/s</staging_dir></stage>";

TEST(ManagedPlan, HasTheManagedPeersOfThePeersSectionWhateverIsStaged) {
  const ManagedResult result = plan_of(
      "ssh -p 23", "<peers>" + peer("a", "<managed>Y</managed><group>g</group>") + peer("b", "") +
                       "</peers><stage><staging_dir>/s</staging_dir>" + peer("c", "<managed>Y</managed>") +
                       "</stage><peerstage>"
                       "<staging><parallel_peers>3</parallel_peers></staging>"
                       "<managed><deadline>5s</deadline></managed></peerstage>");
  ASSERT_TRUE(result.plan);
  EXPECT_TRUE(result.findings.empty()) << "rcp_command is not wanted here";
  EXPECT_EQ(result.plan->backup_user, "pool");
  EXPECT_EQ(result.plan->parallel_peers, 3U);
  EXPECT_EQ(result.plan->group_limits.at("g"), 1U);
  ASSERT_EQ(result.plan->peers.size(), 1U);
  const StagePeer& only = result.plan->peers[0];
  EXPECT_EQ(only.name, "a");
  EXPECT_EQ(only.cback_command, "cback3");
  EXPECT_EQ(only.managed_actions, (std::vector<std::string>{"collect", "purge"}));
  EXPECT_EQ(only.managed_deadline, std::chrono::seconds(5));
  ASSERT_TRUE(only.managed_ssh);
  EXPECT_EQ(only.managed_ssh->port, Port{23});
}

TEST(ManagedPlan, RefusesAWrapper) {
  const ManagedResult result =
      plan_of("/opt/wrapper", "<peers>" + peer("a", "<managed>Y</managed>") + "</peers>" + staged);
  EXPECT_FALSE(result.plan);
  EXPECT_TRUE(has_errors(result.findings));
}

TEST(ManagedPlan, WithoutAnybodyToManageAsksForNothing) {
  const ManagedResult result = plan_of("/opt/wrapper", "<peers>" + peer("a", "") + "</peers>" + staged);
  ASSERT_TRUE(result.plan);
  EXPECT_TRUE(result.plan->peers.empty());
}

}  // namespace
}  // namespace peerstage::config

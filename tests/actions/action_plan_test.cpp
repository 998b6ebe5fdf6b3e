#include "daemon/actions/action_plan.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "action_order_cases.h"

namespace peerstage::daemon {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

config::Config pool() {
  config::Config config;
  config.file = "/etc/cback3.conf";
  config.collect.emplace();
  config.stage.emplace();
  config.purge.emplace();
  return config;
}

config::ExtensionAction extension(const char* name) {
  config::ExtensionAction made;
  made.name = name;
  made.module = "CedarBackup3.extend.mysql";
  made.function = "executeAction";
  made.index = 50;
  return made;
}

std::string refusal(const Words& words, const config::Config& config, Managed managed = Managed::local) {
  try {
    return "accepted: " + items_text(plan_actions(words, config, managed));
  } catch (const ActionError& error) {
    return error.what();
  }
}

TEST(ActionPlan, all_does_without_store_where_there_is_no_store_section) {
  EXPECT_EQ(items_text(plan_actions({"all"}, pool(), Managed::local)),
            "collect here, stage here, purge here");
}

TEST(ActionPlan, all_is_refused_where_there_is_a_store_section) {
  config::Config config = pool();
  config.store.emplace();
  EXPECT_THAT(refusal({"all"}, config), HasSubstr("'cback3 store' between stage and purge"));
}

TEST(ActionPlan, all_on_managed_peers_leaves_store_to_them) {
  config::Config config = pool();
  config.store.emplace();
  EXPECT_EQ(items_text(plan_actions({"all"}, config, Managed::only)),
            "collect peers, stage peers, store peers, purge peers");
}

TEST(ActionPlan, what_writes_media_is_refused_and_cback3_named) {
  for (const char* action : {"store", "rebuild", "initialize"}) {
    EXPECT_THAT(refusal({action}, pool()), HasSubstr("run 'cback3 " + std::string(action) + "'"));
    EXPECT_EQ(refusal({action}, pool(), Managed::only), "accepted: " + std::string(action) + " peers");
  }
  EXPECT_THAT(refusal({"collect", "store"}, pool()), HasSubstr("'cback3 store'"));
  EXPECT_THAT(refusal({"store"}, pool(), Managed::also), HasSubstr("'cback3 store'"));
}

TEST(ActionPlan, an_extension_in_python_is_refused_only_when_it_is_asked_for) {
  config::Config config = pool();
  config.extensions.emplace().actions = {extension("mysql")};
  EXPECT_EQ(refusal({"collect"}, config), "accepted: collect here");
  EXPECT_THAT(refusal({"mysql"}, config), HasSubstr("CedarBackup3.extend.mysql.executeAction"));
  EXPECT_THAT(refusal({"collect", "mysql"}, config), HasSubstr("run 'cback3 mysql'"));
  EXPECT_EQ(refusal({"mysql"}, config, Managed::only), "accepted: mysql peers extension");
}

TEST(ActionPlan, a_program_takes_the_place_of_any_action) {
  config::Config config = pool();
  config.store.emplace();
  config.extensions.emplace().actions = {extension("mysql"), extension("store")};
  for (auto& each : config.extensions->actions) each.command = "/usr/local/bin/program";
  EXPECT_EQ(refusal({"collect", "mysql"}, config), "accepted: mysql here extension, collect here");
  EXPECT_EQ(refusal({"all"}, config), "accepted: store here extension, collect here, stage here, purge here");
}

TEST(MissingSection, is_that_of_an_action_here) {
  config::Config config;
  config.file = "/etc/x\n.conf";
  const auto missing = [&config](const Words& words, Managed managed = Managed::local) {
    return missing_section(plan_actions(words, config, managed), config);
  };
  EXPECT_EQ(missing({"purge"}), "cannot purge: /etc/x\\x0a.conf has no purge section");
  EXPECT_EQ(missing({"all"}), "cannot collect: /etc/x\\x0a.conf has no collect section");
  EXPECT_EQ(missing({"purge"}, Managed::only), "");
  EXPECT_EQ(missing({"validate"}), "");
  config.purge.emplace();
  EXPECT_EQ(missing({"purge"}), "");
}

}  // namespace
}  // namespace peerstage::daemon

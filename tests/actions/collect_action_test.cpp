#include "daemon/actions/collect_action.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "tests/daemon/watched_screen.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class CollectAction : public testing::Test {
 protected:
  CollectAction() {
    config_.file = "/etc/cback3.conf";
    command_.log.path = directory_ / "log";
    for (const char* name : {"collect", "working", "data"})
      std::filesystem::create_directory(directory_ / name);
    config_.options.working_dir = directory_ / "working";
    config::Collect& collect = config_.collect.emplace();
    collect.collect_dir = directory_ / "collect";
    collect.directories.emplace_back().abs_path = directory_ / "data";
  }

  ActionResult run() {
    Log log(command_.log, screen_.screen(), std::nullopt);
    return collect_action({config_, command_, log, screen_.screen()});
  }
  std::string log() const { return test::read_text(*command_.log.path); }

  const test::TemporaryDirectory directory_;
  config::Config config_;
  RunCommand command_;

 private:
  WatchedScreen screen_{WatchedScreen::Kind::pipe};
};

TEST_F(CollectAction, of_an_unknown_backup_user_leaves_no_marker_of_an_earlier_collect) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root collects for another user";
  directory_.write("collect/cback.collect", "");
  config_.options.backup_user = "nobody-has-this-name";
  config_.options.backup_group = "root";
  const ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::error);
  EXPECT_THAT(json::parse(result.json)["error"].get<std::string>(), HasSubstr("nobody-has-this-name"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "collect/cback.collect"));
}

TEST_F(CollectAction, tells_one_file_as_one) {
  directory_.write("data/a", "12");
  config_.collect->directories[0].collect_mode = config::CollectMode::daily;
  config_.collect->directories[0].archive_mode = config::ArchiveMode::tar;
  config_.collect->directories[0].ignore_file = ".ignore";
  config_.options.backup_user = config_.options.backup_group = "root";
  EXPECT_EQ(run().code, ExitCode::ok);
  EXPECT_THAT(log(), HasSubstr("collected, 1 file, 2 B"));
}

TEST_F(CollectAction, tells_once_why_nothing_could_be_done) {
  config_.collect.reset();
  const ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::error);
  EXPECT_THAT(log(), HasSubstr("has no collect section"));
  EXPECT_EQ(result.table, "") << "errors of the log are on the screen already";
}

}  // namespace
}  // namespace peerstage::daemon

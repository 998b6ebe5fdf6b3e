#include "daemon/actions/purge_action.h"

#include <chrono>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "daemon/termination.h"
#include "tests/daemon/watched_screen.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PurgeAction : public testing::Test {
 protected:
  PurgeAction() {
    config_.file = "/etc/cback3.conf";
    command_.log.path = directory_ / "log";
    config_.purge.emplace();
  }

  std::string old_file(const std::string& name, const std::string& content = "12345") const {
    std::string path = directory_.write(name, content);
    const auto ago = std::chrono::system_clock::now() - std::chrono::hours(10 * 24);
    const timespec time{std::chrono::system_clock::to_time_t(ago), 0};
    const timespec times[2] = {time, time};
    EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    return path;
  }
  void purge(const std::string& path, std::int64_t days = 7) {
    config_.purge->directories.push_back({path, days});
  }
  ActionResult run() {
    Log log(command_.log, screen_.screen(), std::nullopt);
    return purge_action({config_, command_, log, screen_.screen()});
  }
  std::string log() const { return test::read_text(*command_.log.path); }

  const test::TemporaryDirectory directory_;
  config::Config config_;
  RunCommand command_;

 private:
  WatchedScreen screen_{WatchedScreen::Kind::pipe};
};

TEST_F(PurgeAction, removes_tells_and_reports) {
  const std::string file = old_file("data/2026/11/01/etc.tar");
  purge(directory_ / "data");
  const ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::ok);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "data/2026"));
  EXPECT_EQ(
      json::parse(result.json), json::parse(R"({"version": 1, "status": "ok", "error": null, "dry_run": false,
      "directories": [{"path": ")" + (directory_ / "data") +
                                            R"(", "retain_days": 7, "files": 1, "bytes": 5,
                       "directories": 3, "kept_unstaged": 0, "failures": [], "more_failures": 0}]})"));
  EXPECT_EQ(result.json.back(), '\n');
  EXPECT_THAT(result.table, AllOf(HasSubstr("directory"), HasSubstr(directory_ / "data")));
  EXPECT_THAT(log(), AllOf(HasSubstr("[INFO   ] removed the file " + file + ", 10 days old, 5 bytes"),
                           HasSubstr("removed the directory " + (directory_ / "data/2026"))));
}

TEST_F(PurgeAction, tells_one_of_each_as_one) {
  old_file("data/below/etc.tar");
  purge(directory_ / "data", 1);
  run();
  EXPECT_THAT(log(), HasSubstr("what was not used for 1 day: 1 file (5 B) and 1 directory, 0 failures"));
}

TEST_F(PurgeAction, of_a_dry_run_lists_what_would_go) {
  const std::string file = old_file("data/below/etc.tar");
  purge(directory_ / "data");
  command_.dry_run = true;
  const ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::ok);
  EXPECT_TRUE(std::filesystem::exists(file));
  const json document = json::parse(result.json);
  EXPECT_TRUE(document["dry_run"]);
  const json& would = document["directories"][0]["would_remove"];
  ASSERT_EQ(would.size(), 2U);
  EXPECT_EQ(would[0], json({{"type", "file"}, {"path", file}, {"bytes", 5}, {"age_days", 10}}));
  EXPECT_EQ(would[1]["type"], "directory");
  EXPECT_THAT(log(), HasSubstr("would remove the file " + file));
}

TEST_F(PurgeAction, without_a_purge_section_is_refused) {
  config_.purge.reset();
  const ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::error);
  EXPECT_EQ(json::parse(result.json)["error"], "cannot purge: /etc/cback3.conf has no purge section");
  EXPECT_THAT(log(), HasSubstr("[ERROR  ] cannot purge: /etc/cback3.conf has no purge section"));
}

TEST_F(PurgeAction, with_a_missing_directory_purges_the_others_and_fails) {
  const std::string file = old_file("data/etc.tar");
  purge(directory_ / "missing");
  purge(directory_ / "data");
  const ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::peer_failed);
  EXPECT_FALSE(std::filesystem::exists(file));
  const json document = json::parse(result.json);
  EXPECT_EQ(document["status"], "failed");
  EXPECT_EQ(document["directories"][0]["failures"].size(), 1U);
  EXPECT_THAT(log(), HasSubstr("[ERROR  ] cannot purge " + (directory_ / "missing")));
}

TEST_F(PurgeAction, keeps_what_is_not_staged_of_its_own_and_of_local_peers_with_a_warning) {
  for (const char* name : {"own", "peer", "other"}) {
    old_file(std::string(name) + "/etc.tar");
    purge(directory_ / name);
  }
  config_.collect.emplace().collect_dir = directory_ / "own";
  config::ConfiguredPeer peer;
  peer.collect_dir = directory_ / "peer";
  config_.peers = {peer};
  peer.type = config::PeerType::remote;
  peer.collect_dir = directory_ / "other";
  config_.peers->push_back(peer);
  ActionResult result = run();
  EXPECT_EQ(result.code, ExitCode::ok);
  const json document = json::parse(result.json);
  EXPECT_EQ(document["directories"][0]["kept_unstaged"], 1);
  EXPECT_EQ(document["directories"][1]["kept_unstaged"], 1);
  EXPECT_EQ(document["directories"][2]["kept_unstaged"], 0);
  EXPECT_THAT(log(), HasSubstr("[WARNING] kept 1 file of the collect directory " + (directory_ / "own")));
  config_.peerstage.purge.unstaged = config::UnstagedData::remove;
  result = run();
  EXPECT_EQ(json::parse(result.json)["directories"][0]["files"], 1);
}

TEST_F(PurgeAction, spares_what_is_ours_in_the_staging_directory) {
  old_file("staging/.peerstage/web1/data");
  config_.stage.emplace().staging_dir = directory_ / "staging";
  purge(directory_ / "staging", 0);
  EXPECT_EQ(run().code, ExitCode::ok);
  EXPECT_TRUE(std::filesystem::exists(directory_ / "staging/.peerstage/web1/data"));
}

TEST_F(PurgeAction, ends_with_5_when_a_signal_comes) {
  const std::string file = old_file("data/etc.tar");
  purge(directory_ / "data");
  for (const int signal : {SIGINT, SIGTERM}) {
    const TerminationHeldBack termination;
    ::raise(signal);
    const ActionResult result = run();
    EXPECT_EQ(result.code, ExitCode::interrupted);
    EXPECT_EQ(json::parse(result.json)["status"], "interrupted");
  }
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(run().code, ExitCode::ok);
  EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace peerstage::daemon

#include "daemon/service/running_run.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using std::chrono::seconds;

class RunningRunTest : public testing::Test {
 protected:
  RunningRunTest() {
    plan_.staging_dir = (directory_.path() / "staging").string();
    plan_.backup_user = ::getpwuid(::geteuid())->pw_name;
    plan_.backup_group = ::getgrgid(::getegid())->gr_name;
    plan_.minimum_free = config::ByteCount{0};
    plan_.peers.emplace_back().name = "web1";
    peers_.configure(plan_.peers, {});
    log_file_.path = (directory_.path() / "log").string();
    log_.emplace(log_file_, screen_, std::nullopt);
  }

  void make_run() {
    WantedRun wanted;
    wanted.origin = {"nightly", RunTrigger::schedule, std::nullopt, {}, false};
    wanted.request.id = "the-run";
    run_ = std::make_unique<RunningRun>(
        wanted, plan_,
        [this](const Work&) {
          return std::make_unique<ScriptedWorkers>(
              timeline_, [](std::size_t, unsigned) { return Script::succeeds(seconds(10)); });
        },
        BeginLocalAction(), RunningRun::Parts{timeline_, *log_, peers_, &catalog_, [](const std::string&) {}},
        RunningRun::Listener{[](const RunReport&) {}, [this](const RunReport&) { ended_ = true; }, [] {}});
    run_->start();
  }

  void suspend() {
    run_->suspend(timeline_.wall_now());
    run_.reset();
  }

  /// As at the next start.
  std::vector<CatalogedRun> unfinished() const { return catalog_.unfinished_runs(); }

  test::TemporaryDirectory directory_;
  config::StagePlan plan_;
  SimulatedTimeline timeline_;
  Screen screen_{STDERR_FILENO};
  LogFile log_file_;
  std::optional<Log> log_;
  PeerBook peers_{timeline_};
  Catalog catalog_{(directory_.path() / "catalog.db").string(), Catalog::Access::read_write};
  bool ended_ = false;
  std::unique_ptr<RunningRun> run_;
};

TEST_F(RunningRunTest, OneThatIsSuspendedIsUnfinished) {
  make_run();
  timeline_.pass(seconds(1));
  suspend();
  ASSERT_EQ(unfinished().size(), 1U);
  EXPECT_TRUE(unfinished().front().suspended);
}

TEST_F(RunningRunTest, OneThatIsSuspendedBeforeItBeganHasNotBeen) {
  make_run();
  suspend();
  EXPECT_FALSE(catalog_.run("the-run").has_value());
}

TEST_F(RunningRunTest, OneThatGoesOnStaysUnfinishedWhenItIsSuspendedBeforeItHasTheLock) {
  make_run();
  timeline_.pass(seconds(1));
  suspend();
  make_run();
  suspend();
  ASSERT_EQ(unfinished().size(), 1U);
  EXPECT_EQ(unfinished().front().interruptions.size(), 1U);
}

TEST_F(RunningRunTest, OneThatHasEndedIsNotSuspended) {
  make_run();
  timeline_.pass(seconds(20));
  ASSERT_TRUE(ended_);
  suspend();
  EXPECT_TRUE(unfinished().empty());
  ASSERT_TRUE(catalog_.run("the-run"));
  EXPECT_TRUE(catalog_.run("the-run")->interruptions.empty());
}

}  // namespace
}  // namespace peerstage::daemon

#include "daemon/service/service.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "config/crontab.h"
#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// 2026-11-16 12:00 UTC, a Monday.
constexpr WallTime monday_noon = std::chrono::sys_days(std::chrono::year(2026) / 11 / 16) + hours(12);

Script stages(milliseconds after = seconds(10)) {
  WorkResult result;
  result.change = TreeChange::changed;
  result.files = 3;
  result.bytes = 300;
  return Script::ends_with(result, after);
}

config::Job nightly() {
  config::Job job;
  job.name = "nightly";
  job.schedule = config::as_crontab_rule("30 2 * * *");
  job.actions = {"stage"};
  return job;
}

/// The whole service, with workers on paper and time that a test lets pass. The zone is UTC.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
    config_.file = path("cback.conf");
    config_.plan.staging_dir = path("staging");
    config_.plan.backup_user = ::getpwuid(::geteuid())->pw_name;
    config_.plan.backup_group = ::getgrgid(::getegid())->gr_name;
    config_.plan.minimum_free = config::ByteCount{0};
    config_.daemon.catalog = path("catalog.db");
    config_.daemon.jobs = {nightly()};
    add_peers(3);
  }
  ~ServiceTest() override {
    ::unsetenv("TZ");
    ::tzset();
  }

  std::string path(const std::string& name) const { return (directory_.path() / name).string(); }

  void add_peers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      config_.plan.peers.emplace_back().name = "peer" + std::to_string(config_.plan.peers.size());
      config_.plan.peers.back().staging.retries = 0;
    }
  }

  Service::Surroundings surroundings() {
    Service::Surroundings around;
    around.version = "test";
    around.read_config = [this] { return ServiceConfigResult{next_config_, {}}; };
    around.make_workers = [this](const Work&) {
      auto workers = std::make_unique<ScriptedWorkers>(timeline_, script_);
      workers_ = workers.get();
      return workers;
    };
    around.tell_status = [this](const std::string& text) { status_ = text; };
    around.tell_working = [this](bool is_working) { is_working_ = is_working; };
    around.tell_run_ended = [this](const RunReport& report, const RunOrigin& origin) {
      ended_.push_back({report, origin});
    };
    around.tell_stale = [this](const std::vector<ServicePeer>& peers) { stale_ = peers.size(); };
    around.tell_config = [](const ServiceConfig&) {};
    around.rebuild_catalog = [this] { ++rebuilds_; };
    return around;
  }

  Service& start() {
    service_ = std::make_unique<Service>(timeline_, log_, config_, surroundings());
    service_->start();
    return *service_;
  }

  /// As after kill -9: nothing is told any more.
  void crash() {
    std::filesystem::copy(path("catalog.db"), path("saved.db"));
    for (const char* tail : {"-wal", "-shm"}) {
      if (std::filesystem::exists(path("catalog.db") + tail))
        std::filesystem::copy(path("catalog.db") + tail, path("saved.db") + tail);
    }
    service_->stop();
    service_.reset();
    for (const char* tail : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path("catalog.db") + tail);
      if (std::filesystem::exists(path("saved.db") + tail))
        std::filesystem::rename(path("saved.db") + tail, path("catalog.db") + tail);
    }
  }

  struct Ended {
    RunReport report;
    RunOrigin origin;
  };
  std::vector<RunStatus> statuses() const {
    std::vector<RunStatus> result;
    for (const Ended& run : ended_) result.push_back(status(run.report));
    return result;
  }
  CatalogedRun cataloged(const std::string& id) const { return std::get<CatalogedRun>(service_->run(id)); }
  std::string id_of(const std::variant<RunTicket, Refusal>& answer) const {
    return std::get<RunTicket>(answer).id;
  }

  test::TemporaryDirectory directory_;
  SimulatedTimeline timeline_{monday_noon};
  Screen screen_{STDERR_FILENO};
  Log log_{LogFile{path("log"), {}, {0640}, peers::EventLevel::debug}, screen_, std::nullopt};
  ServiceConfig config_;
  std::optional<ServiceConfig> next_config_;
  ScriptedWorkers::Write script_ = [](std::size_t, unsigned) { return stages(); };
  ScriptedWorkers* workers_ = nullptr;
  std::vector<Ended> ended_;
  std::string status_;
  std::size_t stale_ = 0;
  bool is_working_ = false;
  int rebuilds_ = 0;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, ThreeWeeksHaveOneRunEachNight) {
  start();
  timeline_.pass(days(21));
  ASSERT_EQ(ended_.size(), 21U);
  for (std::size_t night = 0; night < ended_.size(); ++night) {
    const WallTime slot = monday_noon + hours(14) + minutes(30) + days(night);
    EXPECT_EQ(status(ended_[night].report), RunStatus::ok);
    EXPECT_EQ(ended_[night].origin.slot, slot);
    EXPECT_EQ(ended_[night].origin.trigger, RunTrigger::schedule);
    EXPECT_GE(ended_[night].report.started, slot);
    EXPECT_LT(ended_[night].report.started, slot + seconds(1));
  }
  EXPECT_EQ(service_->state().counters.runs_ok, 21U);
  EXPECT_EQ(status_, "Idle; next run: nightly at 2026-12-08 02:30");
  EXPECT_EQ(stale_, 0U);
}

TEST_F(ServiceTest, TheCatalogKnowsWhatHappened) {
  script_ = [](std::size_t peer, unsigned) {
    return peer == 1 ? Script::fails(peers::FailureKind::permanent, seconds(1)) : stages();
  };
  start();
  timeline_.pass(days(1));
  const auto runs = std::get<std::vector<CatalogedRun>>(service_->history({}));
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_TRUE(runs[0].over);
  EXPECT_EQ(status(runs[0].report), RunStatus::failed);
  EXPECT_EQ(runs[0].report.peers[1].failure->message, "so it goes");
  const ServiceState state = service_->state();
  EXPECT_EQ(state.peers[0].condition, PeerCondition::good);
  EXPECT_EQ(state.peers[1].condition, PeerCondition::failed);
  EXPECT_EQ(state.peers[0].files, 3U);
}

TEST_F(ServiceTest, WhileARunGoesOnItCanBeSeenAndEndsWhenItIsCancelled) {
  script_ = [](std::size_t peer, unsigned) { return peer == 0 ? stages(seconds(1)) : Script::hangs(); };
  start();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(3));
  ServiceState state = service_->state();
  ASSERT_TRUE(state.run.has_value());
  EXPECT_EQ(state.run->id, id);
  EXPECT_EQ(state.run->done, 1U);
  EXPECT_EQ(state.peers[1].condition, PeerCondition::connecting);
  EXPECT_TRUE(is_working_);
  EXPECT_EQ(status_, "Staging: 1 of 3 peers, 0 B");
  EXPECT_EQ(id_of(service_->cancel("")), id);
  timeline_.pass(seconds(1));
  EXPECT_EQ(statuses(), std::vector<RunStatus>{RunStatus::interrupted});
  EXPECT_TRUE(cataloged(id).over);
  EXPECT_FALSE(service_->state().run.has_value());
  EXPECT_FALSE(is_working_);
}

TEST_F(ServiceTest, RunsWaitForTheirTurnAndAJobForItself) {
  start();
  const std::string first = id_of(service_->start_job("nightly"));
  const std::string second = id_of(service_->start_peers({"peer1"}, false));
  EXPECT_EQ(std::get<Refusal>(service_->start_job("nightly")).kind, Refusal::Kind::conflict);
  EXPECT_EQ(std::get<Refusal>(service_->start_job("weekly")).kind, Refusal::Kind::unknown);
  EXPECT_EQ(std::get<Refusal>(service_->start_peers({"nobody"}, false)).kind, Refusal::Kind::unknown);
  timeline_.pass(seconds(1));
  ASSERT_EQ(service_->state().queue.size(), 1U);
  EXPECT_EQ(service_->state().queue[0].id, second);
  timeline_.pass(minutes(1));
  ASSERT_EQ(ended_.size(), 2U);
  EXPECT_EQ(ended_[0].report.id, first);
  EXPECT_EQ(ended_[1].report.id, second);
  EXPECT_EQ(ended_[1].report.peers.size(), 1U);
}

TEST_F(ServiceTest, ASlotThatComesWhileTheRunBeforeGoesOnIsLeftOut) {
  config_.daemon.jobs[0].schedule = config::as_crontab_rule("@hourly");
  script_ = [](std::size_t, unsigned) { return stages(minutes(90)); };
  start();
  timeline_.pass(hours(4) + minutes(10));
  // Begun at 13 and at 15 o'clock; what came at 14 and 16 found it going on.
  EXPECT_EQ(ended_.size(), 1U);
  EXPECT_EQ(service_->state().counters.slots_skipped, 2U);
}

TEST_F(ServiceTest, StoppedInTheMiddleARunGoesOnAtTheNextStart) {
  script_ = [](std::size_t peer, unsigned) { return peer == 0 ? stages(seconds(1)) : Script::hangs(); };
  start();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(5));
  service_->stop();
  EXPECT_FALSE(is_working_);
  EXPECT_EQ(ended_.size(), 0U) << "nobody is told of an end";
  service_.reset();

  std::vector<std::size_t> worked_on;
  script_ = [&](std::size_t peer, unsigned) {
    worked_on.push_back(peer);
    return stages();
  };
  start();
  timeline_.pass(minutes(1));
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].report.id, id);
  EXPECT_EQ(statuses(), std::vector<RunStatus>{RunStatus::ok});
  EXPECT_EQ(worked_on.size(), 2U) << "each peer once";
  const CatalogedRun run = cataloged(id);
  ASSERT_EQ(run.interruptions.size(), 1U);
  EXPECT_EQ(run.interruptions[0].cause, RunInterruption::Cause::shutdown);
  EXPECT_EQ(std::get<std::vector<CatalogedRun>>(service_->history({})).size(), 1U);
}

TEST_F(ServiceTest, AfterACrashARunGoesOnAndSaysSo) {
  script_ = [](std::size_t peer, unsigned) { return peer == 0 ? stages(seconds(1)) : Script::hangs(); };
  start();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(5));
  crash();
  script_ = [](std::size_t, unsigned) { return stages(); };
  start();
  timeline_.pass(minutes(1));
  EXPECT_EQ(statuses(), std::vector<RunStatus>{RunStatus::ok});
  const CatalogedRun run = cataloged(id);
  ASSERT_EQ(run.interruptions.size(), 1U);
  EXPECT_EQ(run.interruptions[0].cause, RunInterruption::Cause::crash);
  EXPECT_TRUE(run.over);
}

TEST_F(ServiceTest, ARunWhoseDayIsOverIsClosedAndMadeUpFor) {
  script_ = [](std::size_t, unsigned) { return Script::hangs(); };
  start();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(5));
  service_->stop();
  service_.reset();
  timeline_.pass(hours(13));  // past midnight, before the next slot
  script_ = [](std::size_t, unsigned) { return stages(); };
  start();
  timeline_.pass(minutes(1));
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_NE(ended_[0].report.id, id);
  EXPECT_EQ(ended_[0].origin.trigger, RunTrigger::catch_up);
  EXPECT_TRUE(cataloged(id).over);
  EXPECT_EQ(status(cataloged(id).report), RunStatus::interrupted);
}

TEST_F(ServiceTest, NightsThatWereSleptThroughAreMadeUpForOnce) {
  start();
  timeline_.pass(days(1));
  service_->stop();
  service_.reset();
  timeline_.pass(days(5));
  start();
  timeline_.pass(hours(1));
  ASSERT_EQ(ended_.size(), 2U);
  EXPECT_EQ(ended_[1].origin.trigger, RunTrigger::catch_up);
  EXPECT_EQ(ended_[1].origin.slot, monday_noon + days(5) + hours(14) + minutes(30));
}

TEST_F(ServiceTest, APauseHoldsTheScheduleButNotPeople) {
  start();
  EXPECT_EQ(service_->pause(), std::nullopt);
  timeline_.pass(days(3));
  EXPECT_EQ(ended_.size(), 0U);
  EXPECT_EQ(status_, "Paused");
  id_of(service_->start_job("nightly"));
  timeline_.pass(minutes(1));
  EXPECT_EQ(ended_.size(), 1U);
  EXPECT_EQ(service_->resume(), std::nullopt);
  timeline_.pass(minutes(1));
  EXPECT_EQ(ended_.size(), 2U) << "one run makes up for three nights";
}

TEST_F(ServiceTest, AGoodFileIsInForceAtOnceAndABadOneNever) {
  start();
  ServiceConfig changed = config_;
  changed.plan.peers.pop_back();
  changed.daemon.jobs[0].schedule = config::as_crontab_rule("@hourly");
  next_config_ = changed;
  EXPECT_TRUE(service_->reload().in_force);
  EXPECT_EQ(service_->state().peers.size(), 2U);
  timeline_.pass(seconds(1));
  EXPECT_EQ(service_->state().jobs[0].next_run, monday_noon + hours(1));
  next_config_.reset();
  EXPECT_FALSE(service_->reload().in_force);
  EXPECT_EQ(service_->state().peers.size(), 2U);
  timeline_.pass(hours(1) + minutes(1));
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].report.peers.size(), 2U);
}

TEST_F(ServiceTest, ARunKeepsTheConfigurationThatItBeganWith) {
  start();
  id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(1));
  ServiceConfig changed = config_;
  changed.plan.peers.pop_back();
  next_config_ = changed;
  EXPECT_TRUE(service_->reload().in_force);
  EXPECT_EQ(service_->state().peers.size(), 3U);
  timeline_.pass(minutes(1));
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].report.peers.size(), 3U);
  EXPECT_EQ(service_->state().peers.size(), 2U);
}

TEST_F(ServiceTest, ARunWaitsForTheLockOfAnotherProgram) {
  auto area = peers::staging::StagingArea::open(config_.plan.staging_dir, std::nullopt,
                                                peers::staging::RunMode::real);
  ASSERT_TRUE(area.try_lock());
  std::optional<peers::staging::StagingArea> holder(std::move(area));
  start();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(20));
  ASSERT_EQ(service_->state().queue.size(), 1U);
  EXPECT_EQ(service_->state().queue[0].why_waiting, "another run holds the staging directory");
  EXPECT_EQ(std::get<std::vector<CatalogedRun>>(service_->history({})).size(), 0U);
  holder.reset();
  timeline_.pass(minutes(2));
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].report.id, id);
  EXPECT_EQ(statuses(), std::vector<RunStatus>{RunStatus::ok});
}

TEST_F(ServiceTest, WithoutACatalogRunsGoOn) {
  config_.daemon.catalog = path("nowhere/catalog.db");
  start();
  EXPECT_TRUE(service_->state().catalog_error.has_value());
  EXPECT_EQ(std::get<Refusal>(service_->history({})).kind, Refusal::Kind::unavailable);
  timeline_.pass(days(2));
  EXPECT_EQ(statuses(), (std::vector<RunStatus>{RunStatus::ok, RunStatus::ok}));
}

TEST_F(ServiceTest, NoTransferStartsInsideAWindow) {
  config_.daemon.jobs[0].not_between = {{hours(2), hours(6)}};
  std::vector<WallTime> starts;
  script_ = [&](std::size_t, unsigned) {
    starts.push_back(timeline_.wall_now());
    return stages();
  };
  start();
  timeline_.pass(hours(15));
  EXPECT_EQ(starts.size(), 0U);
  ASSERT_TRUE(service_->state().run.has_value());
  EXPECT_EQ(service_->state().run->held_until, monday_noon + hours(18));
  EXPECT_EQ(service_->state().peers[0].condition, PeerCondition::paused);
  timeline_.pass(hours(6));
  ASSERT_EQ(starts.size(), 3U);
  EXPECT_EQ(starts[0], monday_noon + hours(18));
  EXPECT_EQ(statuses(), std::vector<RunStatus>{RunStatus::ok});
}

TEST_F(ServiceTest, PeersThatAreNeverGoodBecomeStale) {
  config_.daemon.stale_after = hours(36);
  script_ = [](std::size_t peer, unsigned) {
    return peer == 2 ? Script::fails(peers::FailureKind::permanent) : stages();
  };
  start();
  timeline_.pass(hours(35));
  EXPECT_EQ(stale_, 0U);
  timeline_.pass(hours(2));
  EXPECT_EQ(stale_, 1U);
}

TEST_F(ServiceTest, ANightOfTenThousandPeersKeepsItsLimits) {
  add_peers(9'997);
  config_.plan.parallel_peers = 64;
  std::size_t most = 0;
  script_ = [&](std::size_t peer, unsigned attempt) {
    most = std::max(most, workers_->running.size());
    if (peer % 100 == 0) return Script::hangs();
    if (peer % 10 == 1 && attempt == 1) return Script::fails(peers::FailureKind::not_ready);
    return stages(milliseconds(500 + peer % 1000));
  };
  for (config::StagePeer& peer : config_.plan.peers) {
    peer.staging.deadline = minutes(10);
    peer.staging.wait_for_collect = hours(1);
  }
  start();
  const std::clock_t began = std::clock();
  timeline_.pass(days(1));
  const double cpu = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  ASSERT_EQ(ended_.size(), 1U);
  const auto& peers = ended_[0].report.peers;
  EXPECT_EQ(std::ranges::count(peers, PeerStatus::staged, &PeerReport::status), 9'900);
  EXPECT_EQ(std::ranges::count(peers, PeerStatus::failed, &PeerReport::status), 100);
  EXPECT_LE(most, 128U) << "places that are lent count, too";
  RecordProperty("cpu_ms_a_peer", std::to_string(cpu / 10));
  RecordProperty("resident_mib", std::to_string(service_->state().memory_bytes >> 20U));
}

/// A job that collects, stages and purges.
class FlowingService : public ServiceTest {
 protected:
  FlowingService() {
    config_.daemon.jobs[0].actions = {"collect", "stage", "purge"};
    config_.daemon.jobs[0].managed = true;
    for (config::StagePeer& peer : config_.plan.peers) {
      peer.ssh.emplace();
      peer.managed_ssh.emplace();
      peer.managed_actions = {"collect", "purge"};
    }
    script_ = [](std::size_t, unsigned) { return flows(seconds(1)); };
  }

  static WorkStepEnded well(std::size_t step) {
    WorkStepEnded end;
    end.step = step;
    end.exit_status = 0;
    return end;
  }
  static Script flows(milliseconds collect) {
    WorkResult result;
    result.change = TreeChange::changed;
    return Script()
        .say({}, WorkStepBegun{0})
        .say(collect, well(0))
        .say(seconds(1), WorkStaged{TreeChange::changed, 3, 300, 0})
        .say({}, WorkStepBegun{1})
        .say(seconds(1), well(1))
        .say({}, result);
  }

  /// Each action of this machine's own fails, after a second.
  void start_with_own_actions() {
    Service::Surroundings around = surroundings();
    around.begin_local_action = [this](const std::string& action, bool,
                                       const std::function<void(const ActionReport&)>& done) {
      done_here_.push_back(action);
      return std::make_unique<Going>(timeline_.after(seconds(1), [action, done] {
        ActionReport report;
        report.action = action;
        report.begun = true;
        report.status = ActionReport::Status::failed;
        report.exit_status = 7;
        report.failure = peers::Failure{peers::FailureKind::permanent, "so it goes"};
        done(report);
      }));
    };
    service_ = std::make_unique<Service>(timeline_, log_, config_, around);
    service_->start();
  }

  std::vector<std::string> done_here_;

 private:
  class Going final : public LocalAction {
   public:
    explicit Going(std::unique_ptr<Alarm> alarm) : alarm_(std::move(alarm)) {}

   private:
    std::unique_ptr<Alarm> alarm_;
  };
};

TEST_F(FlowingService, AJobManagesItsPeersAndTheCatalogKnows) {
  start();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(minutes(1));
  ASSERT_EQ(statuses(), std::vector<RunStatus>{RunStatus::ok});
  const CatalogedRun run = cataloged(id);
  ASSERT_EQ(run.report.peers.at(2).actions.size(), 2U);
  EXPECT_EQ(run.report.peers.at(2).actions.at(1).action, "purge");
}

TEST_F(FlowingService, WithoutManagedOnlyThisMachineDoesThem) {
  config_.daemon.jobs[0].managed = false;
  config_.own_actions = {"purge"};
  script_ = [](std::size_t, unsigned) { return stages(); };
  start_with_own_actions();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(minutes(1));
  EXPECT_EQ(done_here_, std::vector<std::string>{"purge"}) << "there is no collect section";
  EXPECT_EQ(statuses(), std::vector<RunStatus>{RunStatus::failed});
  EXPECT_EQ(cataloged(id).report.actions.at(0).exit_status, 7);
  EXPECT_TRUE(ended_.at(0).report.peers.at(0).actions.empty());
}

TEST_F(FlowingService, ARunThatWaitsForTheLockCollectsHereOnce) {
  config_.daemon.jobs[0].managed = false;
  config_.own_actions = {"collect"};
  script_ = [](std::size_t, unsigned) { return stages(); };
  auto area = peers::staging::StagingArea::open(config_.plan.staging_dir, std::nullopt,
                                                peers::staging::RunMode::real);
  ASSERT_TRUE(area.try_lock());
  std::optional<peers::staging::StagingArea> holder(std::move(area));
  start_with_own_actions();
  id_of(service_->start_job("nightly"));
  timeline_.pass(minutes(3));
  EXPECT_EQ(done_here_, std::vector<std::string>{"collect"});
  holder.reset();
  timeline_.pass(minutes(2));
  EXPECT_EQ(done_here_, std::vector<std::string>{"collect"});
  ASSERT_EQ(statuses(), std::vector<RunStatus>{RunStatus::failed}) << "that it failed counts";
  EXPECT_EQ(ended_.at(0).report.actions.at(0).exit_status, 7);
}

TEST_F(FlowingService, AFailedCollectOfThisMachineCountsInARunThatACrashInterrupted) {
  config_.daemon.jobs[0].managed = false;
  config_.own_actions = {"collect"};
  script_ = [](std::size_t, unsigned) { return Script::hangs(); };
  start_with_own_actions();
  const std::string id = id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(30));
  crash();
  script_ = [](std::size_t, unsigned) { return stages(); };
  start_with_own_actions();
  timeline_.pass(minutes(1));
  EXPECT_EQ(done_here_, std::vector<std::string>{"collect"});
  ASSERT_EQ(statuses(), std::vector<RunStatus>{RunStatus::failed});
  EXPECT_EQ(cataloged(id).report.actions.at(0).exit_status, 7);
}

TEST_F(FlowingService, WhatWasBegunBeforeACrashIsNotBegunAgain) {
  script_ = [](std::size_t peer, unsigned) { return flows(peer == 0 ? hours(1) : seconds(1)); };
  start();
  id_of(service_->start_job("nightly"));
  timeline_.pass(seconds(30));
  crash();

  std::vector<std::size_t> worked_on;
  script_ = [&](std::size_t peer, unsigned) {
    worked_on.push_back(peer);
    return stages();  // all that is left: nobody knows whether the collect still goes on
  };
  start();
  timeline_.pass(minutes(1));
  EXPECT_EQ(worked_on, std::vector<std::size_t>{0});
  ASSERT_EQ(statuses(), std::vector<RunStatus>{RunStatus::failed});
  const PeerReport& peer = ended_.at(0).report.peers.at(0);
  EXPECT_NE(peer.failure->message.find("may still be going on"), std::string::npos);
  EXPECT_EQ(peer.actions.at(1).status, ActionReport::Status::refused);
}

}  // namespace
}  // namespace peerstage::daemon

#include "daemon/stage_action.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/filesystem/path.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/day_marker_policy.h"
#include "daemon/progress.h"
#include "daemon/readable.h"
#include "daemon/retry_policy.h"
#include "daemon/supervisor.h"
#include "daemon/termination.h"
#include "daemon/user.h"
#include "daemon/worker.h"
#include "peers/staging/staging_area.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace staging = peers::staging;

/// The action could not be done; travels up to where the report is made.
class CannotRun : public std::runtime_error {
 public:
  CannotRun(RunError::Reason reason, const std::string& message)
      : std::runtime_error(message), reason_(reason) {}
  RunError error() const { return {reason_, what()}; }

 private:
  RunError::Reason reason_;
};

/// The day of a run: fixed at its start, whatever midnight does.
struct Today {
  std::chrono::year_month_day date;
  config::Day weekday;
};

Today today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  const std::chrono::year_month_day date{std::chrono::year(local.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(local.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(local.tm_mday))};
  static constexpr std::array days{config::Day::sunday,    config::Day::monday,   config::Day::tuesday,
                                   config::Day::wednesday, config::Day::thursday, config::Day::friday,
                                   config::Day::saturday};
  return {date, days.at(static_cast<std::size_t>(local.tm_wday))};
}

mode_t current_umask() {
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return mask;
}

std::string run_id(std::chrono::system_clock::time_point started) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(started);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return std::string(text.data()) + "-" + std::to_string(::getpid());
}

peers::Failure failure_of(const WorkResult& result) {
  return {result.failure.value_or(peers::FailureKind::permanent), result.message};
}

PeerStatus status_of(const PeerOutcome& outcome, config::IgnoreFailures ignore, DayKind day) {
  if (outcome.cancelled) return PeerStatus::cancelled;
  if (!outcome.result.failure) {
    return outcome.result.change == TreeChange::changed ? PeerStatus::staged : PeerStatus::unchanged;
  }
  if (*outcome.result.failure != peers::FailureKind::not_ready) return PeerStatus::failed;
  return is_ignored(ignore, day) ? PeerStatus::ignored : PeerStatus::not_ready;
}

PeerReport report_of(const config::StagePeer& peer, const PeerOutcome& outcome, DayKind day) {
  PeerReport report;
  report.name = peer.name;
  report.type = peer.ssh ? PeerType::remote : PeerType::local;
  report.status = status_of(outcome, peer.ignore_failures, day);
  report.files = outcome.result.files;
  report.bytes = outcome.result.bytes;
  report.reused_files = outcome.result.reused_files;
  report.attempts = outcome.attempts;
  report.duration = outcome.elapsed;
  report.skipped_unlisted = outcome.skipped_unlisted;
  for (const WorkSkipped& skipped : outcome.skipped) report.skipped.push_back({skipped.name, skipped.reason});
  if (outcome.result.failure) report.failure = failure_of(outcome.result);
  return report;
}

RunReport begun_report(std::chrono::year_month_day date) {
  RunReport report;
  report.started = std::chrono::system_clock::now();
  report.id = run_id(report.started);
  report.date = date;
  return report;
}

/// Of a peer to which the run did not come.
PeerOutcome unfinished() {
  PeerOutcome outcome;
  outcome.result.failure = peers::FailureKind::transient;
  outcome.result.message = "the run ended before this peer was done";
  return outcome;
}

/// One run, from the selection of peers to the day's marker.
class StageRun final : public PoolObserver {
 public:
  StageRun(const config::StagePlan& plan, const RunCommand& command, Log& log, Screen& screen)
      : plan_(plan), command_(command), log_(log), screen_(screen), today_(today()) {}

  RunReport run() {
    report_ = begun_report(today_.date);
    report_.daily_dir =
        (boost::filesystem::path(plan_.staging_dir) / staging::day_path(today_.date)).string();
    if (command_.dry_run) log_.info("dry run: nothing is changed anywhere");
    try {
      select_peers();
      find_user();
      open_staging_area();
      stage_peers();
      remove_leftovers();  // of workers that were killed while they published
      if (report_.interruption == Interruption::none) mark_day();
      area_->close_day();
    } catch (const CannotRun& error) {
      report_.error = error.error();
    } catch (const std::exception& error) {
      report_.error = RunError{RunError::Reason::unusable, error.what()};
    }
    if (report_.error) log_.error(report_.error->message);
    report_.finished = std::chrono::system_clock::now();
    return std::move(report_);
  }

 private:
  staging::RunMode mode() const {
    return command_.dry_run ? staging::RunMode::dry_run : staging::RunMode::real;
  }
  DayKind day_kind() const {
    return command_.full || today_.weekday == plan_.starting_day ? DayKind::starting_day_or_full
                                                                 : DayKind::ordinary;
  }
  bool is_selected(const config::StagePeer& peer) const {
    return command_.peers.empty() || std::ranges::count(command_.peers, peer.name) > 0;
  }

  void select_peers() {
    for (const config::StagePeer& peer : plan_.peers) {
      if (is_selected(peer)) peers_.push_back(peer);
    }
    for (const std::string& name : command_.peers) {
      if (std::ranges::find(plan_.peers, name, &config::StagePeer::name) != plan_.peers.end()) continue;
      std::string known;
      for (const config::StagePeer& peer : plan_.peers) known += " " + peer.name;
      throw CannotRun(RunError::Reason::command_line, "there is no peer " + peers::printable(name) +
                                                          " to stage; the configuration has:" + known);
    }
  }

  void find_user() {
    started_as_root_ = ::geteuid() == 0;
    user_ = started_as_root_ ? look_up_user(plan_.backup_user, plan_.backup_group) : calling_user();
  }

  void open_staging_area() {
    std::optional<staging::Ownership> owner;
    if (started_as_root_) owner = staging::Ownership{user_.uid, user_.gid};
    area_.emplace(staging::StagingArea::open(plan_.staging_dir, owner, mode()));
    if (!lock_soon()) {
      throw CannotRun(RunError::Reason::locked,
                      "another run holds the staging directory " + peers::printable(plan_.staging_dir));
    }
    remove_leftovers();  // before the space is looked at: they may be what fills the disk
    if (const auto lack = staging::lack_of_space(area_->free_space(), {}, plan_.minimum_free)) {
      throw CannotRun(RunError::Reason::unusable,
                      "cannot stage into " + peers::printable(plan_.staging_dir) + ": " + *lack);
    }
    area_->open_day(today_.date);
  }

  /// The workers of a run that was killed hold the lock until they are dead, too, a moment later.
  bool lock_soon() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (!area_->try_lock()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }

  void remove_leftovers() {
    std::set<std::string> configured;
    for (const config::StagePeer& peer : plan_.peers) configured.insert(peer.name);
    LeftoverLog leftovers(log_);
    area_->remove_leftovers(configured, leftovers);
  }

  void stage_peers() {
    std::vector<config::StagingSettings> settings;
    std::vector<std::string> names;
    for (const config::StagePeer& peer : peers_) {
      settings.push_back(peer.staging);
      // Nobody waits for hours to see what would happen now.
      if (command_.dry_run) settings.back().wait_for_collect = {};
      names.push_back(peer.name);
    }
    report_.peers.resize(peers_.size());
    for (std::size_t peer = 0; peer < peers_.size(); ++peer)
      report_.peers[peer] = report_of(peers_[peer], unfinished(), day_kind());
    progress_ = std::make_unique<ProgressDisplay>(
        screen_, progress_style(command_.progress, command_.verbosity, screen_), names,
        std::chrono::steady_clock::now());
    Supervisor supervisor(
        settings, plan_.parallel_peers,
        [this](std::size_t peer, int descriptor) { work_on(peer, descriptor); }, *this);
    if (supervisor.run() == RunEnd::interrupted) report_.interruption = Interruption::by_signal;
    progress_.reset();
  }

  /// In the worker's process.
  void work_on(std::size_t index, int descriptor) {
    WorkOrder order;
    order.peer = peers_[index];
    order.options = options_for(peers_[index].staging);
    order.user = user_;
    order.started_as_root = started_as_root_;
    order.supervisor = supervisor_;
    staging::PeerPlace place = area_->place(order.peer.name);
    work(order, place, {descriptor, area_->lock_descriptor()});
  }

  staging::StageOptions options_for(const config::StagingSettings& settings) const {
    staging::StageOptions options;
    options.verify = settings.verify;
    options.subdirectories = settings.subdirectories;
    options.special_files = settings.special_files;
    options.permissions = settings.permissions;
    options.umask = umask_;
    options.minimum_free = settings.minimum_free;
    options.bandwidth_limit = bandwidth_of(settings);
    options.mode = mode();
    return options;
  }

  /// The run's limit in equal parts for as many peers as may be at work, so that the sum never exceeds it.
  config::ByteCount bandwidth_of(const config::StagingSettings& settings) const {
    const std::uint64_t at_work =
        std::max<std::uint64_t>(1, std::min<std::uint64_t>(plan_.parallel_peers, peers_.size()));
    const std::uint64_t own = settings.bandwidth_limit.bytes;
    if (plan_.bandwidth_limit.bytes == 0) return {own};
    const std::uint64_t part = std::max<std::uint64_t>(1, plan_.bandwidth_limit.bytes / at_work);
    return {own == 0 ? part : std::min(own, part)};
  }

  void mark_day() {
    if (mode() == staging::RunMode::dry_run) return;
    std::vector<PeerOfDay> peers;
    for (const config::StagePeer& peer : plan_.peers) {
      PeerOfDay state;
      state.held = area_->has_peer(peer.name);
      const auto reported = std::ranges::find(report_.peers, peer.name, &PeerReport::name);
      state.selected = reported != report_.peers.end();
      if (state.selected) {
        state.staged = reported->status == PeerStatus::staged || reported->status == PeerStatus::unchanged;
        state.ignorable = reported->status == PeerStatus::ignored;
      }
      peers.push_back(state);
    }
    const MarkerStep step = judge_day(plan_.daily_indicator, peers);
    if (step == MarkerStep::set) area_->mark_day();
    if (step == MarkerStep::remove && area_->day_marked()) {
      area_->unmark_day();
      log_.warning("removed the marker " + peers::printable(report_.daily_dir) +
                   "/cback.stage: the day lacks a peer that it needs");
    }
  }

  // What the supervisor tells.

  void started(std::size_t peer, unsigned attempt) override {
    progress_->started(peer);
    log_.debug(prefix(peer) + "attempt " + std::to_string(attempt));
  }
  void planned(std::size_t peer, const WorkPlanned& plan) override {
    progress_->planned(peer, {plan.files, plan.bytes});
  }
  void progress(std::size_t peer, const WorkProgress& arrived) override {
    progress_->progress(peer, {arrived.files, arrived.bytes});
  }
  void event(std::size_t peer, const WorkEvent& event) override {
    log_.write(event.level, prefix(peer) + event.text);
  }
  void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) override {
    progress_->put_off(peer, delay, std::chrono::steady_clock::now());
    const bool is_failure = result.failure != peers::FailureKind::not_ready;
    log_.write(is_failure ? peers::EventLevel::warning : peers::EventLevel::info,
               prefix(peer) + result.message + "; looking again in " + readable_duration(delay));
  }
  void finished(std::size_t peer, const PeerOutcome& outcome) override {
    PeerReport& report = report_.peers[peer] = report_of(peers_[peer], outcome, day_kind());
    progress_->finished(peer, report);
    if (outcome.skipped_unlisted > 0) {
      log_.warning(prefix(peer) + std::to_string(outcome.skipped_unlisted) +
                   " more entries were left out than are listed");
    }
    log_end(peer, report);
  }
  void tick() override { progress_->tick(std::chrono::steady_clock::now()); }

  void log_end(std::size_t peer, const PeerReport& report) {
    const std::string& why = report.failure ? report.failure->message : std::string();
    switch (report.status) {
      case PeerStatus::staged:
        log_.info(prefix(peer) + (command_.dry_run ? "would stage " : "staged ") +
                  std::to_string(report.files) + " files, " + readable_size(report.bytes) + ", in " +
                  readable_duration(report.duration));
        break;
      case PeerStatus::unchanged:
        log_.info(prefix(peer) + "unchanged, " + std::to_string(report.files) + " files");
        break;
      case PeerStatus::ignored:
        log_.info(prefix(peer) + why);
        break;
      case PeerStatus::not_ready:
      case PeerStatus::failed:
        log_.error(prefix(peer) + why);
        break;
      case PeerStatus::cancelled:
        log_.warning(prefix(peer) + why);
        break;
    }
  }

  std::string prefix(std::size_t peer) const { return "peer " + peers_[peer].name + ": "; }

  /// Tells what dead runs and killed workers left, and that it was cleared away.
  class LeftoverLog final : public peers::Observer {
   public:
    explicit LeftoverLog(Log& log) : log_(log) {}
    void planned(std::uint64_t, std::uint64_t) override {}
    void progress(std::uint64_t, std::uint64_t) override {}
    void skipped(const std::string&, const std::string&) override {}
    void event(peers::EventLevel level, const std::string& text) override { log_.write(level, text); }

   private:
    Log& log_;
  };

  const config::StagePlan& plan_;
  const RunCommand& command_;
  Log& log_;
  Screen& screen_;
  const Today today_;
  const mode_t umask_ = current_umask();
  const pid_t supervisor_ = ::getpid();
  bool started_as_root_ = false;
  User user_;
  std::vector<config::StagePeer> peers_;  ///< that this run is about
  std::optional<staging::StagingArea> area_;
  std::unique_ptr<ProgressDisplay> progress_;
  RunReport report_;
};

}  // namespace

RunReport stage_pool(const config::StagePlan& plan, const RunCommand& command, Log& log, Screen& screen) {
  const TerminationHeldBack termination;  // except while the pool works, see Supervisor
  return StageRun(plan, command, log, screen).run();
}

RunReport refused_stage(const std::string& why) {
  RunReport report = begun_report(today().date);
  report.finished = report.started;
  report.error = RunError{RunError::Reason::unusable, why};
  return report;
}

}  // namespace peerstage::daemon

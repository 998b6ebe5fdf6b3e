#include "daemon/stage_run.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <boost/filesystem/path.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/day_marker_policy.h"
#include "daemon/peer_actions.h"
#include "daemon/peer_outcome.h"
#include "daemon/retry_policy.h"
#include "daemon/schedule/not_between.h"
#include "daemon/supervisor.h"
#include "daemon/user.h"
#include "daemon/worker.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace staging = peers::staging;
using std::chrono::milliseconds;

// The workers of a run that was killed hold the lock until they are dead, too, a moment later.
constexpr auto patience_for_lock = std::chrono::seconds(1);
constexpr auto between_tries = milliseconds(50);
constexpr auto patience_for_the_dying = std::chrono::seconds(1);

/// The run cannot be; travels up to where the report is made.
class CannotRun : public std::runtime_error {
 public:
  CannotRun(RunError::Reason reason, const std::string& message)
      : std::runtime_error(message), reason_(reason) {}
  RunError error() const { return {reason_, what()}; }

 private:
  RunError::Reason reason_;
};

config::Day weekday(std::chrono::year_month_day date) {
  static constexpr std::array days{config::Day::sunday,    config::Day::monday,   config::Day::tuesday,
                                   config::Day::wednesday, config::Day::thursday, config::Day::friday,
                                   config::Day::saturday};
  return days.at(std::chrono::weekday(date).c_encoding());
}

mode_t current_umask() {
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return mask;
}

/// Passes on what the staging area tells of what dead runs and killed workers left.
class LeftoverObserver final : public peers::Observer {
 public:
  explicit LeftoverObserver(RunObserver& observer) : observer_(observer) {}
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(peers::EventLevel level, const std::string& text) override { observer_.note(level, text); }

 private:
  RunObserver& observer_;
};

}  // namespace

class StageRun::Run final : public PoolObserver {
 public:
  Run(config::StagePlan plan, StageRequest request, Timeline& timeline, RunObserver& observer,
      MakeWorkers make_workers, BeginLocalAction begin_local_action)
      : plan_(std::move(plan)),
        request_(std::move(request)),
        timeline_(timeline),
        observer_(observer),
        make_workers_(std::move(make_workers)),
        begin_local_action_(std::move(begin_local_action)) {
    report_.started = timeline_.wall_now();
    report_.id = request_.id.empty() ? new_run_id(report_.started) : request_.id;
    report_.date = request_.date.value_or(local_date(report_.started));
    report_.actions = request_.local_done;
    report_.daily_dir =
        (boost::filesystem::path(plan_.staging_dir) / staging::day_path(report_.date)).string();
  }

  void start() { act_locally_soon(not_done(request_.local_before), &Run::begin); }

  void interrupt() {
    if (is_over_) return;
    told_to_end_ = true;
    next_.reset();
    const bool was_local = std::exchange(local_action_, nullptr) != nullptr;
    if (was_local) cancel_local_action();
    if (is_closed_) {
      leave_out_local_after();
      finish();
      return;
    }
    if (!supervisor_ || supervisor_->interrupt() == RunEnd::interrupted)
      report_.interruption = Interruption::by_signal;
    step(&Run::close);
  }

  const RunReport& report() const { return report_; }

 private:
  // Actions of this machine's own.

  /// Those that the report does not know.
  std::vector<std::string> not_done(const std::vector<std::string>& actions) const {
    std::vector<std::string> rest;
    std::ranges::copy_if(actions, std::back_inserter(rest), [this](const std::string& action) {
      return std::ranges::find(report_.actions, action, &ActionReport::action) == report_.actions.end();
    });
    return rest;
  }

  void act_locally_soon(std::vector<std::string> actions, void (Run::*then)()) {
    next_ = timeline_.after(milliseconds(0),
                            [this, actions = std::move(actions), then] { act_locally(actions, then); });
  }

  /// One after the other, whatever comes of them: the peers are not to suffer for it.
  void act_locally(std::vector<std::string> actions, void (Run::*then)()) {
    local_action_.reset();
    if (actions.empty()) {
      is_closed_ ? (this->*then)() : step(then);
      return;
    }
    const std::string action = actions.front();
    actions.erase(actions.begin());
    note(peers::EventLevel::info, "the action " + action + " of this machine begins");
    report_.actions.emplace_back().action = action;
    local_action_ = begin_local_action_(
        action, request_.full, [this, actions = std::move(actions), then](const ActionReport& report) {
          report_.actions.back() = report;
          note(report.failure ? peers::EventLevel::error : peers::EventLevel::info,
               report.failure ? report.failure->message
                              : "the action " + report.action + " of this machine is done");
          act_locally_soon(actions, then);
        });
  }

  void cancel_local_action() {
    ActionReport& action = report_.actions.back();
    if (action.status != ActionReport::Status::cancelled) return;  // it is over
    action.failure = peers::Failure{peers::FailureKind::cancelled, "the run was interrupted"};
  }

  bool is_local_after_wanted() const {
    return !report_.error && report_.interruption == Interruption::none &&
           !not_done(request_.local_after).empty();
  }

  void leave_out_local_after() {
    report_.interruption = Interruption::by_signal;
    for (const std::string& action : not_done(request_.local_after)) {
      ActionReport& report = report_.actions.emplace_back();
      report.action = action;
      report.failure =
          peers::Failure{peers::FailureKind::cancelled,
                         "the action " + action + " of this machine was not begun: the run was interrupted"};
    }
  }

  /// The run ends with whatever a step of it throws. The observer may have destroyed this afterwards.
  void step(void (Run::*what)()) {
    try {
      (this->*what)();
      if (!is_closed_) return;
    } catch (const CannotRun& error) {
      report_.error = error.error();
    } catch (const std::exception& error) {
      report_.error = RunError{RunError::Reason::unusable, error.what()};
    }
    end();
  }

  void begin() {
    if (is_dry()) note(peers::EventLevel::info, "dry run: nothing is changed anywhere");
    if (const std::string lacking = get_ready_to_confine(); !lacking.empty())
      note(peers::EventLevel::warning, lacking);
    select_peers();
    find_user();
    std::optional<staging::Ownership> owner;
    if (started_as_root_) owner = staging::Ownership{user_.uid, user_.gid};
    area_.emplace(staging::StagingArea::open(plan_.staging_dir, owner, request_.mode));
    lock_until_ = timeline_.steady_now() + patience_for_lock;
    lock();
  }

  void select_peers() {
    const std::set<std::string> wanted(request_.peers.begin(), request_.peers.end());
    std::set<std::string> known;
    for (const config::StagePeer& peer : plan_.peers) {
      known.insert(peer.name);
      if (wanted.empty() || wanted.contains(peer.name)) peers_.push_back(peer);
    }
    for (const std::string& name : request_.peers) {
      if (known.contains(name)) continue;
      std::string all;
      for (const config::StagePeer& peer : plan_.peers) all += " " + peer.name;
      throw CannotRun(RunError::Reason::command_line, "there is no peer " + peers::printable(name) +
                                                          " to stage; the configuration has:" + all);
    }
  }

  void find_user() {
    started_as_root_ = ::geteuid() == 0;
    user_ = started_as_root_ ? look_up_user(plan_.backup_user, plan_.backup_group) : calling_user();
  }

  void lock() {
    if (area_->try_lock()) {
      open_day();
      return;
    }
    if (timeline_.steady_now() > lock_until_) {
      throw CannotRun(RunError::Reason::locked,
                      "another run holds the staging directory " + peers::printable(plan_.staging_dir));
    }
    next_ = timeline_.after(between_tries, [this] { step(&Run::lock); });
  }

  void open_day() {
    remove_leftovers();  // before the space is looked at: they may be what fills the disk
    if (const auto lack = staging::lack_of_space(area_->free_space(), {}, plan_.minimum_free)) {
      throw CannotRun(RunError::Reason::unusable,
                      "cannot stage into " + peers::printable(plan_.staging_dir) + ": " + *lack);
    }
    area_->open_day(report_.date);
    supervise();
  }

  void remove_leftovers() {
    std::set<std::string> configured;
    for (const config::StagePeer& peer : plan_.peers) configured.insert(peer.name);
    LeftoverObserver observer(observer_);
    area_->remove_leftovers(configured, observer);
  }

  void supervise() {
    std::vector<PoolPeer> pool;
    list_peers(never_done(peers::FailureKind::cancelled, "the run has not come to an end with this peer"));
    plan_actions();
    for (const std::size_t index : to_do_) {
      pool.push_back({peers_[index].staging, peers_[index].group, actions_[index].count()});
      // Nobody waits for hours to see what would happen now.
      if (is_dry()) pool.back().settings.wait_for_collect = {};
    }
    workers_ =
        make_workers_([this](std::size_t peer, const WorkerLink& link) { work_on(to_do_[peer], link); });
    supervisor_.emplace(pool, limits(), timeline_, *workers_, *this);
    observer_.begun(report_);
    supervisor_->start();
  }

  /// Those of the wanted actions that a peer lists.
  static std::vector<std::string> actions_of(const config::StagePeer& peer,
                                             const std::vector<std::string>& wanted) {
    std::vector<std::string> actions;
    if (!peer.managed_ssh) return actions;
    std::ranges::copy_if(wanted, std::back_inserter(actions), [&](const std::string& action) {
      return std::ranges::find(peer.managed_actions, action) != peer.managed_actions.end();
    });
    return actions;
  }

  void plan_actions() {
    for (const config::StagePeer& peer : peers_) {
      actions_.emplace_back(actions_of(peer, request_.before), actions_of(peer, request_.after));
      const auto done = request_.actions_done.find(peer.name);
      if (done == request_.actions_done.end()) continue;
      for (const ActionReport& action : done->second) actions_.back().remember(action);
    }
  }

  /// Each peer with what became of it before this run was interrupted, or what is true until more is known.
  void list_peers(const PeerOutcome& until_then) {
    std::unordered_map<std::string, const PeerReport*> done;
    for (const PeerReport& peer : request_.done) done.emplace(peer.name, &peer);
    for (std::size_t index = 0; index < peers_.size(); ++index) {
      const auto earlier = done.find(peers_[index].name);
      if (earlier == done.end()) to_do_.push_back(index);
      report_.peers.push_back(earlier == done.end() ? report_of(peers_[index], until_then, day_kind())
                                                    : *earlier->second);
    }
  }

  PoolLimits limits() const {
    PoolLimits limits;
    limits.parallel = plan_.parallel_peers;
    limits.groups = plan_.group_limits;
    limits.bandwidth = plan_.bandwidth_limit;
    if (!request_.not_between.empty()) {
      limits.held_until = [windows = request_.not_between, zone = machine_zone().zone](Timeline::Wall now) {
        return daemon::held_until(windows, zone, now);
      };
    }
    return limits;
  }

  /// In the worker's process.
  void work_on(std::size_t index, const WorkerLink& link) const {
    WorkOrder order;
    order.peer = peers_[index];
    order.options = options_for(peers_[index].staging);
    order.options.bandwidth_limit = link.rate;
    order.user = user_;
    order.started_as_root = started_as_root_;
    order.supervisor = supervisor_process_;
    order.before = actions_of(order.peer, request_.before);
    order.after = actions_of(order.peer, request_.after);
    order.managed_mode = request_.full ? peers::ManagedMode::full : peers::ManagedMode::normal;
    order.settled = actions_[index].settled();
    order.staged = actions_[index].staged();
    staging::PeerPlace place = area_->place(order.peer.name);
    work(order, place, {link.records, area_->lock_descriptor()});
  }

  staging::StageOptions options_for(const config::StagingSettings& settings) const {
    staging::StageOptions options;
    options.verify = settings.verify;
    options.subdirectories = settings.subdirectories;
    options.special_files = settings.special_files;
    options.permissions = settings.permissions;
    options.umask = umask_;
    options.minimum_free = settings.minimum_free;
    options.reuse_unchanged = settings.reuse_unchanged;
    options.mode = request_.mode;
    return options;
  }

  /// Every peer is finished, or never will be.
  void close() {
    is_closed_ = true;
    const bool had_begun = supervisor_.has_value();
    supervisor_.reset();
    if (!had_begun) {
      list_peers(never_done(peers::FailureKind::cancelled, "the run was interrupted"));
      return;
    }
    workers_->settle(patience_for_the_dying);
    remove_leftovers();  // of workers that were killed while they published
    if (report_.interruption == Interruption::none) mark_day();
    area_->close_day();
  }

  /// Nobody cancelled them: the run broke.
  void fail_what_is_not_done() {
    note(peers::EventLevel::error, report_.error->message);
    if (report_.interruption != Interruption::none) return;
    for (PeerReport& peer : report_.peers) {
      if (peer.status != PeerStatus::cancelled) continue;
      peer.status = PeerStatus::failed;
      peer.failure = peers::Failure{peers::FailureKind::transient, "the run ended before this peer was done"};
    }
  }

  void end() {
    is_closed_ = true;
    supervisor_.reset();
    workers_.reset();
    area_.reset();
    if (report_.error) fail_what_is_not_done();
    if (!is_local_after_wanted()) {
      finish();
    } else if (told_to_end_) {  // the peers were done already, and nothing else was to begin
      leave_out_local_after();
      finish();
    } else {
      act_locally_soon(not_done(request_.local_after), &Run::finish);
    }
  }

  /// The last of all: the observer may destroy this.
  void finish() {
    is_over_ = true;
    report_.finished = timeline_.wall_now();
    observer_.ended(report_);
  }

  void mark_day() {
    if (is_dry()) return;
    const MarkerStep step = judge_day(plan_.daily_indicator, peers_of_day());
    if (step == MarkerStep::set) area_->mark_day();
    if (step == MarkerStep::remove && area_->day_marked()) {
      area_->unmark_day();
      note(peers::EventLevel::warning, "removed the marker " + peers::printable(report_.daily_dir) +
                                           "/cback.stage: the day lacks a peer that it needs");
    }
  }

  std::vector<PeerOfDay> peers_of_day() const {
    std::unordered_map<std::string, PeerStatus> reported;
    for (const PeerReport& peer : report_.peers) reported.emplace(peer.name, peer.status);
    std::vector<PeerOfDay> peers;
    for (const config::StagePeer& peer : plan_.peers) {
      PeerOfDay& state = peers.emplace_back();
      state.held = area_->has_peer(peer.name);
      const auto status = reported.find(peer.name);
      state.selected = status != reported.end();
      if (!state.selected) continue;
      state.staged = is_good(status->second) || staged_nevertheless_.contains(peer.name);
      state.ignorable = status->second == PeerStatus::ignored;
    }
    return peers;
  }

  // What the supervisor tells.

  void started(std::size_t peer, unsigned attempt) override { observer_.started(to_do_[peer], attempt); }
  void planned(std::size_t peer, const WorkPlanned& plan) override { observer_.planned(to_do_[peer], plan); }
  void progress(std::size_t peer, const WorkProgress& arrived) override {
    observer_.progress(to_do_[peer], arrived);
  }
  void file(std::size_t peer, const WorkFile& file) override { observer_.file(to_do_[peer], file); }
  void event(std::size_t peer, const WorkEvent& event) override { observer_.event(to_do_[peer], event); }
  void step_begun(std::size_t peer, std::size_t step) override {
    PeerActions& actions = actions_[to_do_[peer]];
    actions.begin(step, timeline_.steady_now());
    observer_.action_begun(to_do_[peer], actions.name(step));
  }
  void step_ended(std::size_t peer, const WorkStepEnded& end) override {
    PeerActions& actions = actions_[to_do_[peer]];
    actions.end(end);
    observer_.action_ended(to_do_[peer], actions.report(end.step));
  }
  void staged(std::size_t peer, const WorkStaged& tree) override { actions_[to_do_[peer]].stage(tree); }
  void put_off(std::size_t peer, const WorkResult& result, milliseconds delay) override {
    observer_.put_off(to_do_[peer], result, delay);
  }
  void finished(std::size_t peer, const PeerOutcome& outcome) override {
    const std::size_t index = to_do_[peer];
    report_.peers[index] = report_of(peers_[index], outcome, day_kind());
    actions_[index].judge(report_.peers[index], outcome, timeline_.steady_now());
    if (actions_[index].is_day_good(outcome)) staged_nevertheless_.insert(peers_[index].name);
    observer_.finished(index, report_.peers[index]);
  }
  void held(std::optional<Timeline::Wall> until) override { observer_.held(until); }
  void tick() override { observer_.tick(); }
  void over() override { step(&Run::close); }

  bool is_dry() const { return request_.mode == staging::RunMode::dry_run; }
  DayKind day_kind() const {
    return request_.full || weekday(report_.date) == plan_.starting_day ? DayKind::starting_day_or_full
                                                                        : DayKind::ordinary;
  }
  void note(peers::EventLevel level, const std::string& text) { observer_.note(level, text); }

  const config::StagePlan plan_;
  const StageRequest request_;
  Timeline& timeline_;
  RunObserver& observer_;
  MakeWorkers make_workers_;
  const mode_t umask_ = current_umask();
  const pid_t supervisor_process_ = ::getpid();
  BeginLocalAction begin_local_action_;
  std::unique_ptr<LocalAction> local_action_;
  bool started_as_root_ = false;
  bool told_to_end_ = false;
  bool is_closed_ = false;  ///< its peers are done, and the staging directory is free
  bool is_over_ = false;
  User user_;
  std::vector<config::StagePeer> peers_;       ///< that this run is about, as in the report
  std::vector<PeerActions> actions_;           ///< managed ones of each
  std::set<std::string> staged_nevertheless_;  ///< peers whose day is good, whatever came afterwards
  std::vector<std::size_t> to_do_;             ///< their indices that the supervisor has
  RunReport report_;
  Timeline::Steady lock_until_;
  std::unique_ptr<Alarm> next_;
  std::optional<staging::StagingArea> area_;
  std::unique_ptr<Workers> workers_;
  std::optional<Supervisor> supervisor_;
};

StageRun::StageRun(config::StagePlan plan, StageRequest request, Timeline& timeline, RunObserver& observer,
                   MakeWorkers make_workers, BeginLocalAction begin_local_action)
    : run_(std::make_unique<Run>(std::move(plan), std::move(request), timeline, observer,
                                 std::move(make_workers), std::move(begin_local_action))) {}
StageRun::~StageRun() = default;

void StageRun::start() {
  run_->start();
}

void StageRun::interrupt() {
  run_->interrupt();
}

const RunReport& StageRun::report() const {
  return run_->report();
}

std::chrono::year_month_day local_date(Timeline::Wall when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return {std::chrono::year(local.tm_year + 1900),
          std::chrono::month(static_cast<unsigned>(local.tm_mon + 1)),
          std::chrono::day(static_cast<unsigned>(local.tm_mday))};
}

}  // namespace peerstage::daemon

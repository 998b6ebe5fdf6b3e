// The runs of the service: wanted, begun, ended, and picked up after an interruption.

#include <algorithm>
#include <csignal>
#include <set>
#include <string>
#include <utility>

#include "daemon/message_ids.h"
#include "daemon/readable.h"
#include "daemon/service/resumption.h"
#include "daemon/service/running_run.h"
#include "daemon/service/service.h"

namespace peerstage::daemon {
namespace {

// Another program's run is over some time; looking is cheap.
constexpr auto locked_retry_interval = std::chrono::seconds(30);
constexpr auto status_interval = std::chrono::seconds(1);

const config::Job* find_job(const config::Daemon& daemon, const std::string& name) {
  const auto found = std::ranges::find(daemon.jobs, name, &config::Job::name);
  return found == daemon.jobs.end() ? nullptr : &*found;
}

/// What a job does before and after it stages; it names its actions in their order.
void add_managed_actions(const config::Job& job, StageRequest& request) {
  if (!job.managed) return;
  auto* around = &request.before;
  for (const std::string& action : job.actions) {
    if (action == "stage")
      around = &request.after;
    else
      around->push_back(action);
  }
}

/// The same on this machine, as far as the configuration says what to do here.
void add_own_actions(const config::Job& job, const std::set<std::string>& possible, StageRequest& request) {
  auto* around = &request.local_before;
  for (const std::string& action : job.actions) {
    if (action == "stage")
      around = &request.local_after;
    else if (possible.contains(action))
      around->push_back(action);
  }
}

/// Of a process that recorded a run itself: the id ends with its process id.
bool is_process_gone(const std::string& run_id) {
  const auto dash = run_id.rfind('-');
  return dash == std::string::npos || ::kill(std::atoi(run_id.c_str() + dash + 1), 0) != 0;
}

}  // namespace

WantedRun Service::wanted(const config::Job& job, RunTrigger trigger, std::optional<WallTime> slot) const {
  WantedRun run;
  run.origin = {job.name, trigger, slot, {}, job.full};
  run.request.id = new_run_id(timeline_.wall_now());
  run.request.not_between = job.not_between;
  run.request.full = job.full;
  add_own_actions(job, config_.own_actions, run.request);
  add_managed_actions(job, run.request);
  return run;
}

/// A catalog that can be read and not be written costs no run.
void Service::pick_up_interrupted_runs() {
  std::vector<CatalogedRun> unfinished;
  with_catalog([&](const Catalog& catalog) { unfinished = catalog.unfinished_runs(); });
  for (const CatalogedRun& run : unfinished) pick_up(run);
}

void Service::pick_up(const CatalogedRun& run) {
  const config::Job* job = find_job(config_.daemon, run.origin.job);
  const CatchUp catch_up = job != nullptr && job->catch_up ? CatchUp::yes : CatchUp::no;
  const WallTime now = timeline_.wall_now();
  const Resumption step = judge_unfinished(run, config_.plan, catch_up, local_date(now));
  if (step == Resumption::leave) {
    if (is_process_gone(run.report.id)) close_run(run);
    return;
  }
  if (!run.suspended) {
    with_catalog([&](Catalog& catalog) {
      catalog.interrupt_run(run.report.id, {now, RunInterruption::Cause::crash});
    });
  }
  if (step == Resumption::go_on) {
    WantedRun rest{run.origin,
                   rest_of(run, config_.plan),
                   {},
                   {},
                   static_cast<unsigned>(run.interruptions.size()) + (run.suspended ? 0U : 1U)};
    if (job != nullptr) {
      rest.request.not_between = job->not_between;
      add_managed_actions(*job, rest.request);
      add_own_actions(*job, config_.own_actions, rest.request);
      rest.request.local_before.clear();  // the peers are at work since
    }
    log_.info("going on with the run " + run.report.id + ", of which " +
              std::to_string(rest.request.done.size()) + " peers were done");
    queue_.add(std::move(rest), RunQueue::Place::first);
    return;
  }
  close_run(run);
  if (step == Resumption::begin_again)
    queue_.add(wanted(*job, RunTrigger::catch_up, run.origin.slot), RunQueue::Place::last);
}

void Service::close_run(CatalogedRun run) {
  log_.warning("the run " + run.report.id + " was interrupted and is not gone on with: its day is over");
  run.report.interruption = Interruption::by_signal;
  run.report.finished = timeline_.wall_now();
  with_catalog([&](Catalog& catalog) { catalog.end_run(run.report); });
}

void Service::begin_soon() {
  if (!stopping_) begin_alarm_ = timeline_.after({}, [this] { begin_next(); });
}

void Service::begin_next() {
  if (stopping_ || running_) return;
  const auto admission = paused_ ? RunQueue::Admission::requests_only : RunQueue::Admission::all;
  const Timeline::Steady now = timeline_.steady_now();
  if (auto next = queue_.take(now, admission)) {
    begin(std::move(*next));
    return;
  }
  if (const auto later = queue_.next_time(now)) {
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(*later - now);
    wait_alarm_ = timeline_.after(delay, [this] { begin_next(); });
  }
}

void Service::begin(WantedRun wanted) {
  // A catalog that failed may be well again.
  if (!catalog_ || catalog_error_) open_catalog();
  const RunningRun::Parts parts{timeline_, log_, peers_, catalog_ ? &*catalog_ : nullptr,
                                [this](const std::string& why) { catalog_failed(why); }};
  RunningRun::Listener listener{[this](const RunReport& report) { run_begun(report); },
                                [this](const RunReport& report) { run_ended(report); },
                                [this] {
                                  if (timeline_.steady_now() - status_told_ >= status_interval) tell_status();
                                }};
  surroundings_.tell_working(true);
  running_ = std::make_unique<RunningRun>(std::move(wanted), config_.plan, surroundings_.make_workers,
                                          surroundings_.begin_local_action, parts, std::move(listener));
  running_->start();
}

void Service::run_begun(const RunReport& report) {
  const RunOrigin& origin = running_->wanted().origin;
  log_.write(peers::EventLevel::info,
             "run " + report.id + (origin.job.empty() ? "" : " of the job " + origin.job) + " began",
             {{}, report.id, message_ids::run_begun});
  if (origin.slot && !origin.job.empty())
    with_catalog([&](Catalog& catalog) { catalog.set_last_slot(origin.job, *origin.slot); });
  tell_status();
}

void Service::run_ended(const RunReport& report) {
  if (stopping_) return;  // it is gone on with
  if (report.error && report.error->reason == RunError::Reason::locked) {
    put_back_locked_run(report);
  } else {
    count(counters_, status(report));
    const bool is_good = status(report) == RunStatus::ok;
    log_.write(is_good ? peers::EventLevel::info : peers::EventLevel::warning,
               "run " + report.id + " ended: " + to_string(status(report)),
               {{}, report.id, is_good ? message_ids::run_ended_well : message_ids::run_failed});
    surroundings_.tell_run_ended(report, running_->wanted().origin);
  }
  after_run_alarm_ = timeline_.after({}, [this] { after_run(); });
}

/// What this machine did before it found the lock held is done.
void Service::put_back_locked_run(const RunReport& report) {
  WantedRun again = running_->wanted();
  again.request.local_done = report.actions;
  again.request.local_before.clear();
  again.why_waiting = "another run holds the staging directory";
  again.not_before = timeline_.steady_now() + locked_retry_interval;
  queue_.add(std::move(again), RunQueue::Place::first);
}

void Service::after_run() {
  running_.reset();
  surroundings_.tell_working(false);
  if (next_config_) take_config(std::move(*next_config_));
  tell_status();
  begin_next();
}

}  // namespace peerstage::daemon

#include "daemon/service/service.h"

#include <random>
#include <utility>

#include <unistd.h>

#include "daemon/message_ids.h"
#include "daemon/readable.h"
#include "daemon/schedule/zone.h"
#include "daemon/service/process_usage.h"
#include "daemon/service/running_run.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr auto stale_check_interval = std::chrono::minutes(1);

double random_fraction() {
  static std::mt19937 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

}  // namespace

Service::Service(Timeline& timeline, Log& log, ServiceConfig config, Surroundings surroundings)
    : timeline_(timeline),
      log_(log),
      config_(std::move(config)),
      surroundings_(std::move(surroundings)),
      started_(timeline.wall_now()),
      config_loaded_(started_),
      peers_(timeline),
      jobs_(timeline, job_surroundings()) {}

Service::~Service() = default;

void Service::start() {
  open_catalog();
  with_catalog([this](Catalog& catalog) { paused_ = catalog.paused(); });
  if (paused_) {
    jobs_.pause();
    log_.warning("the schedule is paused, as it was before: peerstage resume has it go on");
  }
  peers_.configure(config_.plan.peers, config_.daemon.stale_after);
  catalog_rebuilt();
  pick_up_interrupted_runs();
  jobs_.set_jobs(config_.daemon.jobs, remembered_slots());
  stale_alarm_ = timeline_.after({}, [this] { look_for_stale_peers(); });
  tell_status();
  begin_soon();
}

void Service::stop() {
  if (std::exchange(stopping_, true)) return;
  jobs_.pause();
  begin_alarm_.reset();
  wait_alarm_.reset();
  stale_alarm_.reset();
  if (!running_) return;
  log_.info("the run " + running_->id() + " is interrupted, the next start goes on with it");
  running_->suspend(timeline_.wall_now());
  after_run_alarm_.reset();
  running_.reset();
  surroundings_.tell_working(false);
}

// --- the configuration

ReloadResult Service::reload() {
  ServiceConfigResult read = surroundings_.read_config();
  if (!read.config) {
    config_error_.reset();
    for (const config::Finding& finding : read.findings) {
      const bool is_error = finding.severity == config::Severity::error;
      log_.write(is_error ? peers::EventLevel::error : peers::EventLevel::warning, finding.text(),
                 {{}, {}, is_error ? message_ids::configuration_refused : std::string_view()});
      if (is_error && !config_error_) config_error_ = finding.text();
    }
    log_.error("the configuration is wrong: the one that was loaded before stays in force");
    return {false, std::move(read.findings)};
  }
  config_error_.reset();
  if (running_)
    next_config_ = std::move(read.config);
  else
    take_config(std::move(*read.config));
  log_.info(next_config_ ? "the configuration was read again; it is in force after the run that is going on"
                         : "the configuration was read again, and is in force");
  return {true, std::move(read.findings)};
}

void Service::take_config(ServiceConfig config) {
  config_ = std::move(config);
  next_config_.reset();
  config_loaded_ = timeline_.wall_now();
  peers_.configure(config_.plan.peers, config_.daemon.stale_after);
  catalog_rebuilt();
  jobs_.set_jobs(config_.daemon.jobs, remembered_slots());
  surroundings_.tell_config(config_);
}

// --- the catalog

void Service::open_catalog() {
  try {
    catalog_.emplace(config_.daemon.catalog, Catalog::Access::read_write);
    catalog_error_.reset();
    if (const auto& why = catalog_->was_begun_anew()) {
      log_.warning(*why);
      surroundings_.rebuild_catalog();
    }
  } catch (const CatalogError& error) {
    catalog_failed(error.what());
  }
}

void Service::with_catalog(const std::function<void(Catalog&)>& act) noexcept {
  if (!catalog_) return;
  try {
    act(*catalog_);
  } catch (const std::exception& error) {
    catalog_failed(error.what());
  }
}

/// Told when it begins, and when it is another failure.
void Service::catalog_failed(const std::string& why) {
  if (catalog_error_ != why) log_.error(why + "; runs go on, and are not remembered");
  catalog_error_ = why;
}

void Service::catalog_rebuilt() {
  with_catalog([this](Catalog& catalog) { peers_.remember(catalog.peers()); });
}

std::map<std::string, WallTime> Service::remembered_slots() {
  std::map<std::string, WallTime> slots;
  with_catalog([&](Catalog& catalog) {
    for (const config::Job& job : config_.daemon.jobs) {
      if (const auto slot = catalog.last_slot(job.name)) {
        slots[job.name] = *slot;
        continue;
      }
      // From now on its slots count, also those that pass while the daemon is down: a machine that is off at
      // that time every night would never run the job otherwise.
      catalog.set_last_slot(job.name, timeline_.wall_now());
    }
  });
  return slots;
}

// --- the schedule

JobBook::Surroundings Service::job_surroundings() {
  JobBook::Surroundings surroundings;
  surroundings.zone = [] { return machine_zone().zone; };
  surroundings.due = [this](const config::Job& job, WallTime slot, RunTrigger trigger) {
    job_due(job, slot, trigger);
  };
  surroundings.missed = [this](const config::Job& job, WallTime slot) {
    ++counters_.slots_skipped;
    log_.warning("job " + job.name + ": its run of " + readable_time(slot) +
                 " was missed, and is not made up for (catch_up is N)");
    with_catalog([&](Catalog& catalog) { catalog.set_last_slot(job.name, slot); });
  };
  surroundings.random = random_fraction;
  return surroundings;
}

void Service::job_due(const config::Job& job, WallTime slot, RunTrigger trigger) {
  if (is_busy_with(job.name)) {
    ++counters_.slots_skipped;
    log_.warning("job " + job.name + ": its run of " + readable_time(slot) +
                 " is left out, the one before is not over yet");
    with_catalog([&](Catalog& catalog) { catalog.set_last_slot(job.name, slot); });
    return;
  }
  queue_.add(wanted(job, trigger, slot), RunQueue::Place::last);
  begin_soon();
}

bool Service::is_busy_with(const std::string& job) const {
  return (running_ && running_->wanted().origin.job == job) || queue_.has_job(job);
}

// --- what is told without being asked

std::string Service::status_text() const {
  if (running_) {
    const ServiceRun run = running_->state();
    return "Staging: " + std::to_string(run.done) + " of " + std::to_string(run.peers) + " peers, " +
           readable_size(run.arrived.bytes) +
           (run.failed > 0 ? ", " + std::to_string(run.failed) + " failed" : "");
  }
  if (paused_) return "Paused";
  std::optional<WallTime> next;
  std::string name;
  for (const config::Job& job : config_.daemon.jobs) {
    const auto of_job = jobs_.next_run(job.name);
    if (!of_job || (next && *next <= *of_job)) continue;
    next = of_job;
    name = job.name;
  }
  return next ? "Idle; next run: " + name + " at " + readable_time(*next) : "Idle; no run is planned";
}

void Service::tell_status() {
  status_told_ = timeline_.steady_now();
  surroundings_.tell_status(status_text());
}

void Service::look_for_stale_peers() {
  surroundings_.tell_stale(peers_.stale(timeline_.wall_now()));
  if (!running_) tell_status();
  stale_alarm_ = timeline_.after(stale_check_interval, [this] { look_for_stale_peers(); });
}

// --- how things stand

ServiceState Service::state() const {
  ServiceState state;
  state.version = surroundings_.version;
  state.pid = ::getpid();
  state.now = timeline_.wall_now();
  state.started = started_;
  state.config_file = config_.file;
  state.config_error = config_error_;
  state.config_loaded = config_loaded_;
  state.catalog_error = catalog_error_;
  state.paused = paused_;
  state.stopping = stopping_;
  state.stale_after = config_.daemon.stale_after;
  state.staging_dir = config_.plan.staging_dir;
  if (running_) state.run = running_->state();
  state.queue = queue_.list();
  for (const config::Job& job : config_.daemon.jobs)
    state.jobs.push_back({job.name, job.schedule.text, jobs_.next_run(job.name), jobs_.last_slot(job.name)});
  state.peers = peers_.peers(state.now, running_ ? running_->held_until() : std::nullopt);
  state.counters = counters_;
  state.counters.files_received = peers_.received().files;
  state.counters.bytes_received = peers_.received().bytes;
  const ProcessUsage usage = process_usage();
  state.memory_bytes = usage.resident_bytes;
  state.open_descriptors = usage.open_descriptors;
  return state;
}

}  // namespace peerstage::daemon

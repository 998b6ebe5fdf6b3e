#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/control/controllable.h"
#include "daemon/log.h"
#include "daemon/service/job_book.h"
#include "daemon/service/peer_book.h"
#include "daemon/service/run_queue.h"
#include "daemon/service/service_config.h"
#include "daemon/service/state.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

class RunningRun;

/// What the daemon does: begins jobs when they are due, one run at a time; goes on with what was interrupted;
/// remembers in the catalog; answers how things stand. Everything happens on its timeline.
///
/// A catalog that cannot be had is told and done without: no verdict depends on it.
class Service final : public Controllable {
 public:
  /// What it needs of the process around it. All are called on the loop and must not call the service.
  struct Surroundings {
    std::string version;
    std::function<ServiceConfigResult()> read_config;
    MakeWorkers make_workers;
    BeginLocalAction begin_local_action;
    std::function<void(const std::string& text)> tell_status;  ///< what is going on, in a few words
    std::function<void(bool is_working)> tell_working;         ///< a run began, or ended
    std::function<void(const RunReport&, const RunOrigin&)> tell_run_ended;
    std::function<void(const std::vector<ServicePeer>&)> tell_stale;  ///< those that are, now and then
    std::function<void(const ServiceConfig&)> tell_config;            ///< another configuration is in force
    /// The catalog was begun anew: fill it from the manifests below the staging directory, elsewhere, and say
    /// `catalog_rebuilt` then.
    std::function<void()> rebuild_catalog;
  };

  Service(Timeline& timeline, Log& log, ServiceConfig config, Surroundings surroundings);
  ~Service() override;

  /// Opens the catalog, goes on with what was interrupted, and waits for the jobs.
  void start();
  /// Begins nothing more, and ends a run that goes on so that the next start goes on with it. All is over
  /// when this returns.
  void stop();

  void catalog_rebuilt();

  ServiceState state() const override;
  std::size_t peer_count() const override { return config_.plan.peers.size(); }
  std::variant<std::vector<CatalogedRun>, Refusal> history(const HistoryQuery& query) const override;
  std::variant<CatalogedRun, Refusal> run(const std::string& id) const override;
  std::variant<RunTicket, Refusal> start_job(const std::string& name) override;
  std::variant<RunTicket, Refusal> start_peers(const std::vector<std::string>& peers, bool full) override;
  std::variant<RunTicket, Refusal> cancel(const std::string& id) override;
  std::optional<Refusal> pause() override;
  std::optional<Refusal> resume() override;
  ReloadResult reload() override;

 private:
  // The schedule.
  JobBook::Surroundings job_surroundings();
  std::map<std::string, WallTime> remembered_slots();
  void job_due(const config::Job& job, WallTime slot, RunTrigger trigger);
  WantedRun wanted(const config::Job& job, RunTrigger trigger, std::optional<WallTime> slot) const;

  // Runs.
  void pick_up_interrupted_runs();
  void pick_up(const CatalogedRun& run);
  void close_run(CatalogedRun run);
  void begin_soon();
  void begin_next();
  void begin(WantedRun wanted);
  void run_begun(const RunReport& report);
  void run_ended(const RunReport& report);
  void put_back_locked_run(const RunReport& report);
  void after_run();
  bool is_busy_with(const std::string& job) const;
  std::optional<Refusal> refusal() const;

  // The catalog.
  void open_catalog();
  void with_catalog(const std::function<void(Catalog&)>& act) noexcept;
  void catalog_failed(const std::string& why);

  void take_config(ServiceConfig config);
  std::string status_text() const;
  void tell_status();
  void look_for_stale_peers();

  Timeline& timeline_;
  Log& log_;
  ServiceConfig config_;
  Surroundings surroundings_;
  WallTime started_, config_loaded_;
  std::optional<std::string> config_error_, catalog_error_;
  std::optional<Catalog> catalog_;
  PeerBook peers_;
  JobBook jobs_;
  RunQueue queue_;
  std::unique_ptr<RunningRun> running_;
  std::optional<ServiceConfig> next_config_;  ///< comes into force after the run that is going on
  ServiceCounters counters_;
  bool paused_ = false, stopping_ = false;
  Timeline::Steady status_told_{};
  std::unique_ptr<Alarm> begin_alarm_, wait_alarm_, after_run_alarm_, stale_alarm_;
};

}  // namespace peerstage::daemon

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/catalog/recorder.h"
#include "daemon/run_log.h"
#include "daemon/run_observers.h"
#include "daemon/service/peer_book.h"
#include "daemon/service/run_queue.h"
#include "daemon/service/state.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// The run that the daemon has going, with everybody who follows it.
class RunningRun final : public RunObserver {
 public:
  /// Whom it tells. `ended` must not destroy the run: that is for later, from the loop.
  struct Listener {
    std::function<void(const RunReport&)> begun;
    std::function<void(const RunReport&)> ended;
    std::function<void()> tick;
  };

  /// What the run is made of; all of it outlives the run.
  struct Parts {
    Timeline& timeline;
    Log& log;
    PeerBook& peers;
    Catalog* catalog;  ///< null: nothing is recorded
    std::function<void(const std::string& why)> catalog_failed;
  };

  RunningRun(WantedRun wanted, const config::StagePlan& plan, const MakeWorkers& make_workers,
             const BeginLocalAction& begin_local_action, const Parts& parts, Listener listener);

  void start() { run_.start(); }
  /// Ends it for good.
  void cancel() { run_.interrupt(); }
  /// Ends it so that it can be gone on with: the catalog is told of an interruption, not of an end. One that
  /// has not begun is left as the catalog has it, and has to be destroyed then.
  void suspend(WallTime now);

  const WantedRun& wanted() const { return wanted_; }
  const std::string& id() const { return wanted_.request.id; }
  ServiceRun state() const;
  std::optional<WallTime> held_until() const { return held_until_; }

 private:
  void begun(const RunReport& report) override;
  void held(std::optional<Timeline::Wall> until) override { held_until_ = until; }
  void tick() override { listener_.tick(); }
  void ended(const RunReport& report) override;

  std::optional<CatalogRecorder> make_recorder() const;
  std::vector<RunObserver*> everybody();

  WantedRun wanted_;
  Parts parts_;
  Listener listener_;
  bool begun_ = false, ended_ = false;
  std::optional<WallTime> held_until_;
  RunLog log_;
  std::optional<CatalogRecorder> recorder_;
  RunObservers observers_;
  StageRun run_;
};

}  // namespace peerstage::daemon

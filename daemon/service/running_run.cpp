#include "daemon/service/running_run.h"

#include <utility>

namespace peerstage::daemon {

RunningRun::RunningRun(WantedRun wanted, const config::StagePlan& plan, const MakeWorkers& make_workers,
                       const BeginLocalAction& begin_local_action, const Parts& parts, Listener listener)
    : wanted_(std::move(wanted)),
      parts_(parts),
      listener_(std::move(listener)),
      log_(parts.log, wanted_.request.id, wanted_.request.mode),
      recorder_(make_recorder()),
      observers_(everybody()),
      run_(plan, wanted_.request, parts.timeline, observers_, make_workers, begin_local_action) {}

/// Before it has begun, only what was wanted of it.
ServiceRun RunningRun::state() const {
  ServiceRun state = parts_.peers.run().value_or(ServiceRun());
  if (!begun_) {
    state.id = id();
    state.started = run_.report().started;
    state.date = run_.report().date;
  }
  state.origin = wanted_.origin;
  state.interruptions = wanted_.interruptions;
  state.held_until = held_until_;
  return state;
}

std::optional<CatalogRecorder> RunningRun::make_recorder() const {
  if (parts_.catalog == nullptr) return std::nullopt;
  CatalogRecorder recorder(*parts_.catalog, parts_.catalog_failed);
  recorder.set_origin(wanted_.origin);
  return recorder;
}

/// Whoever is told of the end last may end everything.
std::vector<RunObserver*> RunningRun::everybody() {
  std::vector<RunObserver*> observers{&log_, &parts_.peers};
  if (recorder_) observers.push_back(&*recorder_);
  observers.push_back(this);
  return observers;
}

/// The end of one that has not begun would be recorded as that of the run that it goes on with, and one that
/// is over has its end.
void RunningRun::suspend(WallTime now) {
  if (!begun_ || ended_) return;
  run_.interrupt();
  if (!recorder_) return;
  try {
    parts_.catalog->interrupt_run(id(), {now, RunInterruption::Cause::shutdown});
  } catch (const CatalogError& error) {
    parts_.catalog_failed(error.what());
  }
}

void RunningRun::begun(const RunReport& report) {
  begun_ = true;
  listener_.begun(report);
}

void RunningRun::ended(const RunReport& report) {
  ended_ = true;
  listener_.ended(report);
}

}  // namespace peerstage::daemon

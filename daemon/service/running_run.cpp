#include "daemon/service/running_run.h"

#include <utility>

namespace peerstage::daemon {

RunningRun::RunningRun(WantedRun wanted, const config::StagePlan& plan,
                       const MakeWorkers& make_workers, const Parts& parts, Listener listener)
    : wanted_(std::move(wanted)),
      parts_(parts),
      listener_(std::move(listener)),
      log_(parts.log),
      tracker_(parts.timeline, state_, parts.counters),
      run_(plan, wanted_.request, parts.timeline, observers_, make_workers) {
  state_.id = wanted_.request.id;
  state_.origin = wanted_.origin;
  state_.started = parts.timeline.wall_now();
  observers_.add(log_);
  observers_.add(tracker_);
  observers_.add(parts.peers);
  if (parts.catalog != nullptr)
    observers_.add(recorder_.emplace(*parts.catalog, wanted_.origin, parts.catalog_failed));
  observers_.add(*this);
}

void RunningRun::suspend(WallTime now) {
  if (recorder_) {
    observers_.remove(*recorder_);
    try {
      if (begun_)
        parts_.catalog->interrupt_run(state_.id, {now, RunInterruption::Cause::shutdown});
    } catch (const CatalogError& error) {
      parts_.catalog_failed(error.what());
    }
  }
  run_.interrupt();
}

void RunningRun::begun(const RunReport& report) {
  begun_ = true;
  listener_.begun(report);
}

void RunningRun::ended(const RunReport& report) {
  listener_.ended(report);
}

}  // namespace peerstage::daemon

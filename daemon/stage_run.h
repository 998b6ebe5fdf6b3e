#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/schedule.h"
#include "config/stage_plan.h"
#include "daemon/report.h"
#include "daemon/timeline.h"
#include "daemon/worker_protocol.h"
#include "peers/staging/staging_area.h"

namespace peerstage::daemon {

/// What is wanted of one run.
struct StageRequest {
  std::string id;                  ///< empty: a new one is made
  std::vector<std::string> peers;  ///< only these; empty: all
  std::vector<PeerReport>
      done;  ///< what became of peers when this run was begun before an interruption; they are not done again
  std::optional<std::chrono::year_month_day> date;  ///< of a run that is gone on with; absent: today
  std::vector<config::TimeWindow> not_between;      ///< no transfer starts inside
  bool full = false;
  peers::staging::RunMode mode = peers::staging::RunMode::real;
};

/// What a run tells while it goes: for the log, the screen, the catalog, the daemon's state. All calls come
/// from the one thread; peers are named by their index in `RunReport::peers`. None may throw or block.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  /// The run has its lock and its day; its peers stand in the report, none of them done but those of
  /// `StageRequest::done`.
  virtual void begun(const RunReport&) {}
  virtual void started(std::size_t /*peer*/, unsigned /*attempt*/) {}
  virtual void planned(std::size_t /*peer*/, const WorkPlanned&) {}
  virtual void progress(std::size_t /*peer*/, const WorkProgress&) {}
  /// One file of the peer's day, after it was published and before `finished`; only of attempts that changed
  /// the day or found the peer without its marker, and then every file of it. An attempt that was killed may
  /// have told only some of them; the one that then brings the peer to its end tells all of them again.
  virtual void file(std::size_t /*peer*/, const WorkFile&) {}
  virtual void event(std::size_t /*peer*/, const WorkEvent&) {}
  /// An attempt failed or the peer was not ready, and there will be another one.
  virtual void put_off(std::size_t /*peer*/, const WorkResult&, std::chrono::milliseconds /*delay*/) {}
  /// Once for every peer.
  virtual void finished(std::size_t /*peer*/, const PeerReport&) {}
  /// Something about the run as a whole.
  virtual void note(peers::EventLevel, const std::string& /*text*/) {}
  /// About ten times a second.
  virtual void tick() {}
  /// The end, always the last call. The report is the verdict.
  virtual void ended(const RunReport&) {}
};

class Workers;  // daemon/workers.h

/// One run of the stage action, from the lock to the day's marker, on the event loop of whoever made it: the
/// one-shot command and the daemon do the same.
///
/// Everything that is passed by reference must outlive it; the plan is its own copy, so a configuration that
/// is read again changes nothing for it. One that is destroyed before its end kills its workers.
class StageRun {
 public:
  StageRun(config::StagePlan plan, StageRequest request, Timeline& timeline, RunObserver& observer);
  ~StageRun();
  StageRun(const StageRun&) = delete;
  StageRun& operator=(const StageRun&) = delete;

  /// Begins; everything else happens on the timeline. Does not throw: a run that cannot even begin ends at
  /// once, with `RunReport::error`. Blocks as long as the staging file system does.
  void start();

  /// Ends it in good order: workers are killed (whatever they published is complete, what they fetched is
  /// gone on with next time), the rest is cancelled, and `ended` is told, before this returns.
  void interrupt();

  const RunReport& report() const;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

/// For people and for the order of runs: 20261120T023000Z-PID.
std::string new_run_id(Timeline::Wall started);

}  // namespace peerstage::daemon

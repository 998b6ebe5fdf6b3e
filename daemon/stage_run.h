#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/schedule.h"
#include "config/stage_plan.h"
#include "daemon/local_action.h"
#include "daemon/report.h"
#include "daemon/timeline.h"
#include "daemon/worker_protocol.h"
#include "daemon/workers.h"
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
  /// Managed actions, before and after staging: on each peer that lists them. The peers go on by themselves:
  /// each has its actions before, is staged, and has those after if it was staged.
  std::vector<std::string> before, after;
  /// What became of such actions before an interruption, by the peer's name; they are not done again.
  std::map<std::string, std::vector<ActionReport>> actions_done;
  /// Actions of this machine's own: before anything else, and when all peers are done.
  std::vector<std::string> local_before, local_after;
  /// What became of such actions earlier, by a part of this run or a try that did not get the lock: they
  /// count, and are not done again.
  std::vector<ActionReport> local_done;
  peers::staging::RunMode mode = peers::staging::RunMode::real;
};

/// What a run tells while it goes: for the log, the screen, the catalog, the daemon's state. All calls come
/// from the timeline or from `StageRun::interrupt`; peers are named by their index in `RunReport::peers`.
/// None may throw or block.
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
  /// A managed action: the peer is asked to do it, and it is over. Each once for a peer, over all attempts.
  virtual void action_begun(std::size_t /*peer*/, const std::string& /*action*/) {}
  virtual void action_ended(std::size_t /*peer*/, const ActionReport&) {}
  /// An attempt failed or the peer was not ready, and there will be another one.
  virtual void put_off(std::size_t /*peer*/, const WorkResult&, std::chrono::milliseconds /*delay*/) {}
  /// Once for every peer.
  virtual void finished(std::size_t /*peer*/, const PeerReport&) {}
  /// No attempt starts before then (`StageRequest::not_between`); absent: they start again.
  virtual void held(std::optional<Timeline::Wall> /*until*/) {}
  /// Something about the run as a whole, also before it has begun.
  virtual void note(peers::EventLevel, const std::string& /*text*/) {}
  /// About ten times a second.
  virtual void tick() {}
  /// The end, always the last call; the lock is free. The report is the verdict. The run may be destroyed in
  /// here (and the report with it), in no other call.
  virtual void ended(const RunReport&) {}
};

/// One run of the stage action, from the lock to the day's marker, on the event loop of whoever made it: the
/// one-shot command and the daemon do the same.
///
/// Everything that is passed by reference must outlive it; the plan is its own copy, so a configuration that
/// is read again changes nothing for it. One that is destroyed before its end kills its workers. Without
/// `begin_local_action` none may be wanted.
class StageRun {
 public:
  StageRun(config::StagePlan plan, StageRequest request, Timeline& timeline, RunObserver& observer,
           MakeWorkers make_workers, BeginLocalAction begin_local_action = {});
  ~StageRun();
  StageRun(const StageRun&) = delete;
  StageRun& operator=(const StageRun&) = delete;

  /// Begins, when the timeline comes round: nothing is told from within. A run that cannot even begin ends at
  /// once, with `RunReport::error`. Its steps block as long as the staging file system does.
  void start();

  /// Ends it in good order: workers are killed (whatever they published is complete, what they fetched is
  /// gone on with next time), the rest is cancelled, and `ended` is told, before this returns. Not from
  /// within a call to the observer.
  void interrupt();

  /// Has its id, its time and its date from the beginning.
  const RunReport& report() const;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

/// For people and for the order of runs: 20261120T023000Z-PID, with .2, .3 and so on for further runs of this
/// process in the same second.
std::string new_run_id(Timeline::Wall started);

/// What a calendar in this machine's zone shows: the day of a run is that of its start.
std::chrono::year_month_day local_date(Timeline::Wall when);

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/managed_plan.h"
#include "daemon/report.h"
#include "daemon/timeline.h"
#include "daemon/worker_protocol.h"
#include "daemon/workers.h"
#include "peers/peer.h"

namespace peerstage::daemon {

/// What is wanted of one managed action.
struct ManagedRequest {
  std::string action;
  peers::ManagedMode mode = peers::ManagedMode::normal;
  std::vector<std::string> peers;  ///< only these; empty: all that list the action
  /// What makes an action unsafe that deletes: peers are reported as refused, without being asked, when they
  /// are none of `only`...
  std::optional<std::set<std::string>> only;
  std::set<std::string> busy;  ///< ...or what was begun there may still be going on
};

/// What became of it on one peer.
struct ManagedPeerReport {
  std::string name;
  ActionReport action;
};

struct ManagedReport {
  std::string action;
  Interruption interruption = Interruption::none;
  std::optional<RunError> error;  ///< it could not be done at all
  std::vector<ManagedPeerReport> peers;
};

/// Interrupted, could not be done, a peer failed, ok; the first that applies. A peer that was refused has not
/// failed: whatever kept it from being asked has its own verdict.
ExitCode exit_code(const ManagedReport& report);
/// {"peers":[{"name", "status", "exit_status", "signal", "seconds", "error"}]}; "error" of the document only
/// when it could not be done at all.
std::string to_json(const ManagedReport& report);
/// For people, as summary_table() of a run.
std::string summary_table(const ManagedReport& report);

/// What is told while it goes. All calls come from the timeline or from `ManagedRun::interrupt`; peers are
/// named by their index in the report. None may throw or block.
class ManagedObserver {
 public:
  virtual ~ManagedObserver() = default;
  virtual void begun(const ManagedReport&) {}
  /// The peer is asked to do it now.
  virtual void action_begun(std::size_t /*peer*/) {}
  virtual void event(std::size_t /*peer*/, const WorkEvent&) {}
  /// The peer could not be asked, and will be again.
  virtual void put_off(std::size_t /*peer*/, const std::string& /*why*/,
                       std::chrono::milliseconds /*delay*/) {}
  /// Once for every peer.
  virtual void finished(std::size_t /*peer*/, const ManagedPeerReport&) {}
  /// The last call. The run may be destroyed in here, in no other.
  virtual void ended(const ManagedReport&) {}
};

/// One action on all managed peers that list it, so many at a time as are staged at a time. A peer that
/// cannot be reached is tried again like one that is staged; one that was asked is never asked again, since
/// whether it has begun cannot be known.
///
/// What is passed by reference must outlive it. One that is destroyed before its end kills its workers; what
/// the peers have begun goes on there.
class ManagedRun {
 public:
  ManagedRun(config::ManagedPlan plan, ManagedRequest request, Timeline& timeline, ManagedObserver& observer,
             MakeWorkers make_workers);
  ~ManagedRun();
  ManagedRun(const ManagedRun&) = delete;
  ManagedRun& operator=(const ManagedRun&) = delete;

  /// Begins when the timeline comes round.
  void start();
  /// Kills the workers; `ended` is told before this returns. Not from within a call to the observer.
  void interrupt();

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace peerstage::daemon

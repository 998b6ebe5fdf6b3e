#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/exec_plan.h"
#include "daemon/exec_report.h"
#include "daemon/timeline.h"
#include "daemon/worker_protocol.h"
#include "daemon/workers.h"
#include "peers/command.h"

namespace peerstage::daemon {

/// What is wanted.
struct ExecRequest {
  std::vector<std::string> peers, groups;  ///< only these; both empty: every peer
  peers::Command command;                  ///< its sudo is that of each peer
  std::size_t kept_output = 0;             ///< bytes that the report has of each stream of each peer
};

/// What is told while it goes. All calls come from the timeline or from `ExecRun::interrupt`; peers are named
/// by their index in the report. None may throw.
class ExecObserver {
 public:
  virtual ~ExecObserver() = default;
  virtual void begun(const ExecReport&) {}
  /// What the command says on a peer, as it comes. May block: then everything waits.
  virtual void output(std::size_t /*peer*/, const WorkOutput&) {}
  virtual void event(std::size_t /*peer*/, const WorkEvent&) {}
  /// Once for every peer.
  virtual void finished(std::size_t /*peer*/, const ExecPeerReport&) {}
  /// The last call. The run may be destroyed in here, in no other.
  virtual void ended(const ExecReport&) {}
};

/// One command on many peers, so many at a time as are staged at a time. Each peer is asked once: nothing is
/// tried again.
///
/// What is passed by reference must outlive it. One that is destroyed before its end kills its workers, and
/// with them what runs on this machine.
class ExecRun {
 public:
  ExecRun(config::ExecPlan plan, ExecRequest request, Timeline& timeline, ExecObserver& observer,
          MakeWorkers make_workers);
  ~ExecRun();
  ExecRun(const ExecRun&) = delete;
  ExecRun& operator=(const ExecRun&) = delete;

  /// Begins when the timeline comes round.
  void start();
  /// Kills the workers; `ended` is told before this returns. Not from within a call to the observer.
  void interrupt();

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace peerstage::daemon

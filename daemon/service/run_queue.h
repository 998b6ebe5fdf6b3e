#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/service/state.h"
#include "daemon/stage_run.h"
#include "daemon/timeline.h"

namespace peerstage::daemon {

/// A run that will be.
struct WantedRun {
  RunOrigin origin;
  StageRequest request;           ///< with its id
  Timeline::Steady not_before{};  ///< when it has to wait for something else than its turn
  std::string why_waiting;
  unsigned interruptions = 0;  ///< of a run that goes on
};

/// Runs in the order in which they are begun: those that go on before those that are new.
class RunQueue {
 public:
  enum class Place { first, last };

  void add(WantedRun run, Place place);
  /// Forgets a run; false: it is not in the queue.
  bool remove(const std::string& id);
  bool has_job(const std::string& job) const;
  bool empty() const { return runs_.empty(); }

  /// Who may begin: while the schedule is paused only what somebody asked for.
  enum class Admission { all, requests_only };
  /// The first that may begin now, taken out.
  std::optional<WantedRun> take(Timeline::Steady now, Admission admission);
  /// When the next one may begin that must not yet; absent: none waits for a time.
  std::optional<Timeline::Steady> next_time(Timeline::Steady now) const;

  std::vector<QueuedRun> list() const;

 private:
  std::deque<WantedRun> runs_;
};

}  // namespace peerstage::daemon

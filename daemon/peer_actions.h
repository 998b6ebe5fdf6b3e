#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/peer_outcome.h"
#include "daemon/report.h"
#include "daemon/timeline.h"
#include "daemon/worker_protocol.h"

namespace peerstage::daemon {

/// What is known of the managed actions of one peer in a run, over all its attempts: each is begun once, and
/// those after staging only when the peer was staged.
class PeerActions {
 public:
  PeerActions() = default;
  /// The steps of its workers: actions before staging, then those after.
  PeerActions(const std::vector<std::string>& before, const std::vector<std::string>& after);

  std::size_t count() const { return steps_.size(); }
  const std::string& name(std::size_t step) const { return steps_[step].action; }

  void begin(std::size_t step, Timeline::Steady now);
  void end(const WorkStepEnded& end);
  void stage(const WorkStaged& tree) { staged_ = tree; }
  /// What an earlier part of this run did.
  void remember(const ActionReport& done);

  /// Steps that no further attempt does: they were begun, or an action before may still be going on and those
  /// after are not safe.
  std::set<std::size_t> settled() const;
  const std::optional<WorkStaged>& staged() const { return staged_; }

  /// Of one step that is over.
  ActionReport report(std::size_t step) const;
  /// Of all, when the peer is done.
  std::vector<ActionReport> reports(const PeerOutcome& outcome, Timeline::Steady now) const;
  /// Adds them to the peer's report. A peer of which one failed has failed, whatever became of its data.
  void judge(PeerReport& report, const PeerOutcome& outcome, Timeline::Steady now) const;
  /// Is the day what the actions before should have made it?
  bool is_day_good(const PeerOutcome& outcome) const;

 private:
  enum class State { ahead, begun, over };
  struct Step {
    std::string action;
    State state = State::ahead;
    bool was_begun = false;
    Timeline::Steady since{};
    ActionReport report;
    bool may_go_on = false;
  };

  bool is_after(std::size_t step) const { return step >= before_; }
  bool goes_on_unwatched() const;
  bool is_staged(const PeerOutcome& outcome) const { return staged_ || !outcome.result.failure; }
  ActionReport report_of_begun(const Step& step, const PeerOutcome& outcome, Timeline::Steady now) const;
  ActionReport report_of_ahead(std::size_t step, const PeerOutcome& outcome) const;
  std::string failures(std::size_t from, std::size_t to, const std::vector<ActionReport>& reports) const;

  std::vector<Step> steps_;
  std::size_t before_ = 0;  ///< so many are before staging
  std::optional<WorkStaged> staged_;
};

}  // namespace peerstage::daemon

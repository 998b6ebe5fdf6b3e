#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/managed_plan.h"
#include "config/stage_plan.h"
#include "daemon/actions/action_order.h"
#include "daemon/actions/action_result.h"
#include "daemon/actions/hooks.h"
#include "daemon/report.h"

namespace peerstage::daemon {

/// One action of a run that has been done, or tried.
struct DoneAction {
  ActionItem item;
  ActionResult result;
  std::string error;  ///< one sentence; of a hook that failed, or why the action did not begin
};

/// Does actions in their order, each with its hooks, until one could not be done at all.
class ActionSequence {
 public:
  /// What its actions need: a plan for a stage action here, and one for what is done on managed peers.
  struct Plans {
    std::optional<config::StagePlan> stage;
    std::optional<config::ManagedPlan> managed;
  };
  /// All must outlive this.
  ActionSequence(const ActionContext& context, const Plans& plans) : context_(context), plans_(plans) {}

  /// Blocks. Prints the table of each action for people as soon as it is over, unless JSON was asked for.
  void run(const std::vector<ActionItem>& items);
  const std::vector<DoneAction>& done() const { return done_; }

 private:
  void run_item(DoneAction& action);
  void run_here(DoneAction& action);
  ActionResult on_peers(const std::string& action);
  bool hooks_fail(HookTime time, DoneAction& action);
  ActionResult act(const ActionItem& item);
  ActionResult stage();
  void fail(DoneAction& action, ExitCode code, const std::string& error);
  void tell(const DoneAction& action) const;

  const ActionContext& context_;
  const Plans& plans_;
  std::vector<DoneAction> done_;
  std::optional<RunReport> staged_;                   ///< of the last stage action here
  std::optional<std::set<std::string>> staged_well_;  ///< peers; absent: nothing was staged here yet
  std::set<std::string> may_go_on_;  ///< managed peers where an action was begun and not seen to end
};

/// That of the whole run.
ExitCode exit_code(const std::vector<DoneAction>& actions);

/// The document of a run of anything else than one stage action, see docs/actions.md. `error` is why nothing
/// was begun; empty: there is none.
std::string actions_json(const std::vector<DoneAction>& actions, ExitCode code, const std::string& error);

}  // namespace peerstage::daemon

#include "daemon/actions/action_sequence.h"

#include <iostream>
#include <utility>

#include "daemon/actions/collect_action.h"
#include "daemon/actions/combined_exit_code.h"
#include "daemon/actions/extension_action.h"
#include "daemon/actions/managed_action.h"
#include "daemon/actions/purge_action.h"
#include "daemon/actions/validate_action.h"
#include "daemon/progress.h"
#include "daemon/report_json.h"
#include "daemon/stage_action.h"
#include "daemon/termination.h"

namespace peerstage::daemon {
namespace {

ActionResult result_of(const RunReport& report) {
  return {exit_code(report), to_json(report), summary_table(report)};
}

Json action_object(const DoneAction& action) {
  const std::string& document = action.result.json;
  const Json result = document.empty() ? Json(nullptr) : Json::parse(document, nullptr, false);
  return {{"action", action.item.name},
          {"managed", action.item.place == ActionPlace::peers},
          {"exit_code", static_cast<int>(action.result.code)},
          {"error", action.error.empty() ? Json(nullptr) : Json(action.error)},
          {"result", result.is_discarded() ? Json(nullptr) : result}};
}

}  // namespace

void ActionSequence::run(const std::vector<ActionItem>& items) {
  const TerminationHeldBack termination;
  for (const ActionItem& item : items) {
    DoneAction& action = done_.emplace_back();
    action.item = item;
    if (termination_is_waiting()) {
      fail(action, ExitCode::interrupted,
           "the run was interrupted before the action " + item.name + " began");
    } else {
      run_item(action);
    }
    tell(action);
    if (!lets_others_go_on(action.result.code)) return;
  }
}

void ActionSequence::run_item(DoneAction& action) {
  if (action.item.place == ActionPlace::here) return run_here(action);
  action.result = on_peers(action.item.name);
}

/// What a peer is just writing, or holds as the only one, must not be removed there.
ActionResult ActionSequence::on_peers(const std::string& action) {
  ManagedRequest request;
  request.action = action;
  if (action == "purge") {
    request.only = staged_well_;
    request.busy = may_go_on_;
  }
  ManagedActionResult done = managed_action(context_, plans_.managed.value(), std::move(request));
  may_go_on_.merge(done.may_go_on);
  return std::move(done.result);
}

void ActionSequence::run_here(DoneAction& action) {
  staged_.reset();
  if (hooks_fail(HookTime::before, action)) return;
  action.result = act(action.item);
  if (lets_others_go_on(action.result.code)) hooks_fail(HookTime::after, action);
}

bool ActionSequence::hooks_fail(HookTime time, DoneAction& action) {
  if (context_.command.dry_run) return false;
  const HooksEnd end = run_hooks(time, action.item.name, context_);
  if (end.code == ExitCode::ok) return false;
  fail(action, end.code, end.failure);
  return true;
}

ActionResult ActionSequence::act(const ActionItem& item) {
  if (item.extension != nullptr) return extension_action(*item.extension, context_);
  if (item.name == "collect") return collect_action(context_);
  if (item.name == "stage") return stage();
  if (item.name == "purge") return purge_action(context_);
  return validate_action(context_);
}

ActionResult ActionSequence::stage() {
  staged_ = stage_pool(plans_.stage.value(), context_.command, context_.log, context_.screen);
  staged_well_.emplace();
  for (const PeerReport& peer : staged_->peers)
    if (is_good(peer.status)) staged_well_->insert(peer.name);
  return result_of(*staged_);
}

/// Of a stage action its own document tells it, too, which may be the only one that is printed.
void ActionSequence::fail(DoneAction& action, ExitCode code, const std::string& error) {
  action.error = error;
  action.result.code = code;
  if (!is_builtin_here(action.item, "stage")) return;
  RunReport report = staged_ ? *staged_ : refused_stage(error);
  report.error = RunError{RunError::Reason::unusable, error};
  if (code == ExitCode::interrupted) report.interruption = Interruption::by_signal;
  action.result = result_of(report);
}

void ActionSequence::tell(const DoneAction& action) const {
  context_.log.info("the action " + action.item.name +
                    (action.item.place == ActionPlace::peers ? " on the managed peers" : "") +
                    " is done with status " + std::to_string(static_cast<int>(action.result.code)));
  const RunCommand& command = context_.command;
  const bool wanted =
      progress_style(command.progress, command.verbosity, context_.screen) != ProgressStyle::none;
  if (wanted && !command.json) std::cout << action.result.table << std::flush;
}

ExitCode exit_code(const std::vector<DoneAction>& actions) {
  ExitCode code = ExitCode::ok;
  for (const DoneAction& action : actions) code = worse(code, action.result.code);
  return code;
}

std::string actions_json(const std::vector<DoneAction>& actions, ExitCode code, const std::string& error) {
  Json done = Json::array();
  for (const DoneAction& action : actions) done.push_back(action_object(action));
  return document_text({{"version", 1},
                        {"exit_code", static_cast<int>(code)},
                        {"error", error.empty() ? Json(nullptr) : Json(error)},
                        {"actions", done}});
}

}  // namespace peerstage::daemon

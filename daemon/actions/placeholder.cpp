// Stands in for actions that have no file of their own yet.

#include <string>

#include "daemon/actions/collect_action.h"
#include "daemon/actions/purge_action.h"
#include "daemon/actions/validate_action.h"

namespace peerstage::daemon {
namespace {

ActionResult not_there_yet(const ActionContext& context, const std::string& action) {
  context.log.info("placeholder of " + action);
  return {ExitCode::ok, "{}\n", "placeholder of " + action + "\n"};
}

}  // namespace

ActionResult collect_action(const ActionContext& context) {
  return not_there_yet(context, "collect");
}
ActionResult purge_action(const ActionContext& context) {
  return not_there_yet(context, "purge");
}
ActionResult validate_action(const ActionContext& context) {
  return not_there_yet(context, "validate");
}

}  // namespace peerstage::daemon

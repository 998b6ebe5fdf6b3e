#include "daemon/actions/collect_action.h"

#include <chrono>
#include <exception>
#include <optional>

#include "config/collect_plan.h"
#include "daemon/actions/action_log.h"
#include "daemon/actions/collect_report.h"
#include "daemon/readable.h"
#include "daemon/stage_run.h"
#include "daemon/termination.h"
#include "daemon/user.h"
#include "peers/collect/collect.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using peers::collect::CollectOptions;
using peers::collect::CollectReport;
using peers::collect::ItemReport;

/// Cedar Backup's days of the week begin on Monday, as those of ISO 8601 do.
bool is_today(config::Day day) {
  const std::chrono::weekday today(local_date(std::chrono::system_clock::now()));
  return today.iso_encoding() == static_cast<unsigned>(day) + 1;
}

void log_item(const ItemReport& item, Log& log) {
  const std::string before = "collect " + peers::printable(item.path) + ": " + to_string(item.status);
  if (item.status == ItemReport::Status::failed) return log.error(before + ": " + item.failure);
  const std::string text =
      before + ", " + peers::counted(item.files, "file") + ", " + readable_size(item.bytes);
  const bool is_incomplete = item.status == ItemReport::Status::incomplete;
  // Each warning had its line already; cron mail shows errors alone.
  log.write(is_incomplete ? peers::EventLevel::error : peers::EventLevel::info, text);
}

void log_end(const CollectReport& report, const config::CollectPlan& plan, Log& log) {
  for (const ItemReport& item : report.items) log_item(item, log);
  const std::string indicator = peers::printable(plan.collect_dir) + "/cback.collect";
  if (report.error) return log.error(*report.error);
  if (report.cancelled) return log.warning("collect was interrupted; " + indicator + " is not written");
  if (!report.marked)
    return log.error(indicator +
                     " is not written, because an item failed; mend it and collect again, or let "
                     "<incomplete> of <peerstage><collect> be mark");
  log.info("wrote " + indicator);
}

ActionResult result_of(const CollectReport& report) {
  return {exit_code(report), to_json(report), summary_table(report)};
}

CollectReport refused(const std::string& why, Log& log) {
  CollectReport report;
  report.error = why;
  log.error(why);
  return report;
}

}  // namespace

ActionResult collect_action(const ActionContext& context) {
  const auto plan = config::plan_collect(context.config);
  if (!plan) {
    return result_of(refused(
        "cannot collect: " + peers::printable(context.config.file) + " has no collect section", context.log));
  }
  CollectOptions options;
  options.full = context.command.full;
  options.is_starting_day = is_today(plan->starting_day);
  options.cancelled = termination_is_waiting;
  ActionLog observer(context.log);
  try {
    options.owner = owner_to_be(plan->backup_user, plan->backup_group);
  } catch (const std::exception& error) {
    peers::collect::withdraw_collect(*plan, std::nullopt, observer);
    return result_of(refused(std::string("cannot collect: ") + error.what(), context.log));
  }
  const CollectReport report = peers::collect::collect(*plan, options, observer);
  log_end(report, *plan, context.log);
  return result_of(report);
}

}  // namespace peerstage::daemon

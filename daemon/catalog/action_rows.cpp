#include "daemon/catalog/action_rows.h"

#include "daemon/catalog/nullable.h"
#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;
using Status = ActionReport::Status;

struct ActionRow {
  std::string peer, action, status, signal;
  int is_begun = 0;
  Nullable<int> exit_status;
  long long milliseconds = 0;
  Nullable<std::string> failure_kind, failure;
};

ActionReport report_of(const ActionRow& row) {
  ActionReport report;
  report.action = row.action;
  report.status = one_of(row.status, {Status::ok, Status::failed, Status::cancelled, Status::refused});
  report.begun = row.is_begun != 0;
  if (row.exit_status) report.exit_status = row.exit_status.value;
  report.signal = row.signal;
  report.duration = std::chrono::milliseconds(row.milliseconds);
  report.failure = failure_of(row.failure_kind, row.failure);
  return report;
}

ActionRow row_of(const std::string& peer, const ActionReport& report) {
  ActionRow row;
  row.peer = peer;
  row.action = report.action;
  row.status = to_string(report.status);
  row.signal = report.signal;
  row.is_begun = report.begun ? 1 : 0;
  if (report.exit_status) row.exit_status = *report.exit_status;
  row.milliseconds = report.duration.count();
  if (!report.failure) return row;
  row.failure_kind = std::string(peers::to_string(report.failure->kind));
  row.failure = report.failure->message;
  return row;
}

/// Of one that is known its own, else behind all others.
int place_of(soci::session& sql, RunNumber run, const ActionRow& row) {
  int place = 0;
  sql << "select place from run_action where run = :run and peer = :peer and action = :action", into(place),
      use(run), use(row.peer), use(row.action);
  if (sql.got_data()) return place;
  sql << "select coalesce(max(place), -1) + 1 from run_action where run = :run and peer = :peer", into(place),
      use(run), use(row.peer);
  return place;
}

}  // namespace

void store_action(soci::session& sql, RunNumber run, const std::string& peer, const ActionReport& report) {
  ActionRow row = row_of(peer, report);
  const int place = place_of(sql, run, row);
  sql << "delete from run_action where run = :run and peer = :peer and action = :action", use(run),
      use(row.peer), use(row.action);
  sql << "insert into run_action (run, peer, action, place, status, is_begun, exit_status, signal,"
         " milliseconds, failure_kind, failure) values (:run, :peer, :action, :place, :status, :is_begun,"
         " :exit_status, :signal, :milliseconds, :failure_kind, :failure)",
      use(run), use(row.peer), use(row.action), use(place), use(row.status), use(row.is_begun),
      use(row.exit_status.value, row.exit_status.state), use(row.signal), use(row.milliseconds),
      use(row.failure_kind.value, row.failure_kind.state), use(row.failure.value, row.failure.state);
}

void store_actions(soci::session& sql, RunNumber run, const std::string& peer,
                   const std::vector<ActionReport>& reports) {
  for (const ActionReport& report : reports) store_action(sql, run, peer, report);
}

std::map<std::string, std::vector<ActionReport>> read_actions(soci::session& sql, RunNumber run) {
  ActionRow row;
  soci::statement each =
      (sql.prepare
           << "select peer, action, status, is_begun, exit_status, signal, milliseconds, failure_kind,"
              " failure from run_action where run = :run order by peer, place",
       into(row.peer), into(row.action), into(row.status), into(row.is_begun),
       into(row.exit_status.value, row.exit_status.state), into(row.signal), into(row.milliseconds),
       into(row.failure_kind.value, row.failure_kind.state), into(row.failure.value, row.failure.state),
       use(run));
  std::map<std::string, std::vector<ActionReport>> actions;
  for (each.execute(); each.fetch();) actions[row.peer].push_back(report_of(row));
  return actions;
}

}  // namespace peerstage::daemon

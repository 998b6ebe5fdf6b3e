#include "daemon/catalog/run_rows.h"

#include <limits>

#include "daemon/catalog/action_rows.h"
#include "daemon/catalog/nullable.h"
#include "daemon/catalog/peer_rows.h"
#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;

/// A row of the table `run`.
struct RunRow {
  long long number = 0, started = 0, finished = 0;
  int is_over = 0, is_suspended = 0, interrupted = 0, is_full = 0;
  std::string id, action, date, daily_dir, job, origin;
  Nullable<std::string> error_reason, error;
  Nullable<long long> slot;
};

/// What a run says of itself when it ends, and may say before.
void set_verdict(RunRow& row, const RunReport& report) {
  row.finished = stored_time(report.finished);
  row.interrupted = report.interruption == Interruption::by_signal ? 1 : 0;
  if (!report.error) return;
  row.error_reason = std::string(to_string(report.error->reason));
  row.error = report.error->message;
}

RunRow row_of(const RunReport& report, const RunOrigin& origin) {
  RunRow row;
  row.started = stored_time(report.started);
  row.is_full = origin.full ? 1 : 0;
  row.is_over = origin.trigger == RunTrigger::rebuilt ? 1 : 0;
  row.id = report.id;
  row.action = report.action;
  row.date = stored_date(report.date);
  row.daily_dir = stored_bytes(report.daily_dir);
  row.job = origin.job;
  row.origin = to_string(origin.trigger);
  if (origin.slot) row.slot = stored_time(*origin.slot);
  set_verdict(row, report);
  return row;
}

RunError error_of(const RunRow& row) {
  return {one_of(row.error_reason.value,
                 {RunError::Reason::command_line, RunError::Reason::unusable, RunError::Reason::locked}),
          row.error.value};
}

CatalogedRun run_of(const RunRow& row) {
  CatalogedRun run;
  run.report.id = row.id;
  run.report.action = row.action;
  run.report.date = date_of(row.date);
  run.report.started = time_of(row.started);
  run.report.finished = time_of(row.finished);
  run.report.daily_dir = bytes_of(row.daily_dir);
  run.report.interruption = row.interrupted != 0 ? Interruption::by_signal : Interruption::none;
  if (row.error) run.report.error = error_of(row);
  run.origin.job = row.job;
  run.origin.trigger = one_of(row.origin, {RunTrigger::schedule, RunTrigger::catch_up, RunTrigger::request,
                                           RunTrigger::command_line, RunTrigger::rebuilt});
  if (row.slot) run.origin.slot = time_of(row.slot.value);
  run.origin.full = row.is_full != 0;
  run.over = row.is_over != 0;
  run.suspended = row.is_suspended != 0;
  return run;
}

std::vector<std::string> read_selection(soci::session& sql, RunNumber number) {
  std::vector<std::string> peers;
  std::string peer;
  soci::statement each = (sql.prepare << "select peer from run_selection where run = :run order by place",
                          into(peer), use(number));
  for (each.execute(); each.fetch();) peers.push_back(peer);
  return peers;
}

std::vector<RunInterruption> read_interruptions(soci::session& sql, RunNumber number) {
  std::vector<RunInterruption> interruptions;
  long long noticed = 0;
  std::string cause;
  soci::statement each = (sql.prepare << "select noticed, cause from run_interruption where run = :run"
                                         " order by place",
                          into(noticed), into(cause), use(number));
  for (each.execute(); each.fetch();) {
    interruptions.push_back(
        {time_of(noticed), one_of(cause, {RunInterruption::Cause::shutdown, RunInterruption::Cause::crash})});
  }
  return interruptions;
}

CatalogedRun read_run(soci::session& sql, RunNumber number) {
  RunRow row;
  sql << "select id, action, date, daily_dir, started, finished, is_over, is_suspended, interrupted,"
         " error_reason, error, job, origin, slot, is_full from run where number = :number",
      into(row.id), into(row.action), into(row.date), into(row.daily_dir), into(row.started),
      into(row.finished), into(row.is_over), into(row.is_suspended), into(row.interrupted),
      into(row.error_reason.value, row.error_reason.state), into(row.error.value, row.error.state),
      into(row.job), into(row.origin), into(row.slot.value, row.slot.state), into(row.is_full), use(number);
  CatalogedRun run = run_of(row);
  run.origin.selected = read_selection(sql, number);
  run.interruptions = read_interruptions(sql, number);
  run.report.peers = read_peers(sql, number);
  auto actions = read_actions(sql, number);
  run.report.actions = std::move(actions[""]);
  return run;
}

std::vector<RunNumber> numbers_of(soci::statement& each, const RunNumber& number) {
  std::vector<RunNumber> numbers;
  for (each.execute(); each.fetch();) numbers.push_back(number);
  return numbers;
}

}  // namespace

std::optional<RunNumber> find_run(soci::session& sql, const std::string& id) {
  RunNumber number = 0;
  sql << "select number from run where id = :id", into(number), use(id);
  if (!sql.got_data()) return std::nullopt;
  return number;
}

RunNumber insert_run(soci::session& sql, const RunReport& report, const RunOrigin& origin) {
  RunRow row = row_of(report, origin);
  sql << "select coalesce(max(number), 0) + 1 from run", into(row.number);
  sql << "insert into run (number, id, action, date, daily_dir, started, finished, is_over, is_suspended,"
         " interrupted, error_reason, error, job, origin, slot, is_full) values (:number, :id, :action, "
         ":date, :daily_dir,"
         " :started, :finished, :is_over, :is_suspended, :interrupted, :error_reason, :error, :job, :origin, "
         ":slot,"
         " :is_full)",
      use(row.number), use(row.id), use(row.action), use(row.date), use(row.daily_dir), use(row.started),
      use(row.finished), use(row.is_over), use(row.is_suspended), use(row.interrupted),
      use(row.error_reason.value, row.error_reason.state), use(row.error.value, row.error.state),
      use(row.job), use(row.origin), use(row.slot.value, row.slot.state), use(row.is_full);
  for (std::size_t i = 0; i < origin.selected.size(); ++i) {
    const auto place = static_cast<long long>(i);
    sql << "insert into run_selection (run, place, peer) values (:run, :place, :peer)", use(row.number),
        use(place), use(origin.selected[i]);
  }
  insert_missing_peers(sql, row.number, report);
  return row.number;
}

void reopen_run(soci::session& sql, RunNumber run, const RunReport& report) {
  const std::string rebuilt = to_string(RunTrigger::rebuilt);
  sql << "update run set is_over = 0, is_suspended = 0, interrupted = 0, error_reason = null,"
         " error = null where number = :number and origin <> :rebuilt",
      use(run), use(rebuilt);
  insert_missing_peers(sql, run, report);
}

void close_run(soci::session& sql, RunNumber run, const RunReport& report) {
  RunRow row;
  set_verdict(row, report);
  sql << "update run set is_over = 1, is_suspended = 0, finished = :finished, interrupted = :interrupted,"
         " error_reason = :error_reason, error = :error where number = :number",
      use(row.finished), use(row.interrupted), use(row.error_reason.value, row.error_reason.state),
      use(row.error.value, row.error.state), use(run);
  store_open_peers(sql, run, report);
}

void insert_interruption(soci::session& sql, RunNumber run, const RunInterruption& interruption) {
  const long long noticed = stored_time(interruption.when);
  const std::string cause = to_string(interruption.cause);
  sql << "update run set is_over = 0, is_suspended = 1 where number = :number", use(run);
  sql << "insert into run_interruption (run, place, noticed, cause) select :run,"
         " (select count(*) from run_interruption where run = :same_run), :noticed, :cause",
      use(run), use(run), use(noticed), use(cause);
}

std::string date_of_run(soci::session& sql, RunNumber run) {
  std::string date;
  sql << "select date from run where number = :number", into(date), use(run);
  return date;
}

std::vector<CatalogedRun> read_runs(soci::session& sql, const std::vector<RunNumber>& numbers) {
  std::vector<CatalogedRun> runs;
  runs.reserve(numbers.size());
  for (const RunNumber number : numbers) runs.push_back(read_run(sql, number));
  return runs;
}

std::vector<RunNumber> find_runs(soci::session& sql, const HistoryQuery& query) {
  RunNumber number = 0;
  const long long since = query.since ? stored_time(*query.since) : std::numeric_limits<long long>::min();
  const long long limit = stored_number(query.limit);
  if (query.peer) {
    soci::statement each = (sql.prepare << "select run from run_peer where name = :peer and started >= :since"
                                           " order by started desc, run desc limit :limit",
                            into(number), use(*query.peer), use(since), use(limit));
    return numbers_of(each, number);
  }
  if (query.job) {
    soci::statement each = (sql.prepare << "select number from run where started >= :since and job = :job"
                                           " order by started desc, number desc limit :limit",
                            into(number), use(since), use(*query.job), use(limit));
    return numbers_of(each, number);
  }
  soci::statement each = (sql.prepare << "select number from run where started >= :since"
                                         " order by started desc, number desc limit :limit",
                          into(number), use(since), use(limit));
  return numbers_of(each, number);
}

std::vector<RunNumber> find_unfinished_runs(soci::session& sql) {
  RunNumber number = 0;
  soci::statement each =
      (sql.prepare << "select number from run where is_over = 0 order by started desc, number desc",
       into(number));
  return numbers_of(each, number);
}

}  // namespace peerstage::daemon

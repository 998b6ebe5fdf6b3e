#include "daemon/catalog/peer_rows.h"

#include <limits>
#include <map>
#include <set>

#include "daemon/catalog/nullable.h"
#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;

/// A row of the table `run_peer`.
struct PeerRow {
  std::string name, type, status;
  long long place = 0, started = 0;
  long long files = 0, bytes = 0, reused_files = 0, attempts = 0, milliseconds = 0, skipped_unlisted = 0;
  Nullable<std::string> failure_kind, failure;
};

constexpr const char* columns =
    " name, type, status, files, bytes, reused_files, attempts, milliseconds, skipped_unlisted, failure_kind,"
    " failure ";

PeerRow row_of(const PeerReport& report) {
  PeerRow row;
  row.name = report.name;
  row.type = to_string(report.type);
  row.status = to_string(report.status);
  row.files = stored_number(report.files);
  row.bytes = stored_number(report.bytes);
  row.reused_files = stored_number(report.reused_files);
  row.attempts = report.attempts;
  row.milliseconds = report.duration.count();
  row.skipped_unlisted = stored_number(report.skipped_unlisted);
  if (!report.failure) return row;
  row.failure_kind = std::string(peers::to_string(report.failure->kind));
  row.failure = report.failure->message;
  return row;
}

PeerReport report_of(const PeerRow& row) {
  using peers::FailureKind;
  PeerReport report;
  report.name = row.name;
  report.type = one_of(row.type, {PeerType::local, PeerType::remote});
  report.status = one_of(row.status, {PeerStatus::staged, PeerStatus::unchanged, PeerStatus::not_ready,
                                      PeerStatus::ignored, PeerStatus::failed, PeerStatus::cancelled});
  report.files = number_of(row.files);
  report.bytes = number_of(row.bytes);
  report.reused_files = number_of(row.reused_files);
  report.attempts = static_cast<unsigned>(row.attempts);
  report.duration = std::chrono::milliseconds(row.milliseconds);
  report.skipped_unlisted = number_of(row.skipped_unlisted);
  if (row.failure_kind) {
    report.failure =
        peers::Failure{one_of(row.failure_kind.value,
                              {FailureKind::not_ready, FailureKind::transient, FailureKind::permanent,
                               FailureKind::hostile, FailureKind::cancelled}),
                       row.failure.value};
  }
  return report;
}

/// Calls `take` for each row of `columns` that the query finds.
template <typename Take, typename... Values>
void for_each_peer(soci::session& sql, const std::string& condition, Take take, const Values&... values) {
  PeerRow row;
  soci::statement each(sql);
  each.alloc();
  each.prepare("select" + std::string(columns) + "from run_peer where " + condition);
  const auto exchange = [&each](auto... elements) { (each.exchange(elements), ...); };
  exchange(into(row.name), into(row.type), into(row.status), into(row.files), into(row.bytes),
           into(row.reused_files), into(row.attempts), into(row.milliseconds), into(row.skipped_unlisted),
           into(row.failure_kind.value, row.failure_kind.state), into(row.failure.value, row.failure.state));
  exchange(use(values)...);
  each.define_and_bind();
  for (each.execute(); each.fetch();) take(report_of(row));
}

void insert_skipped(soci::session& sql, RunNumber run, const PeerReport& report) {
  sql << "delete from skipped_entry where run = :run and peer = :peer", use(run), use(report.name);
  long long place = 0;
  std::string name, reason;
  soci::statement insert = (sql.prepare << "insert into skipped_entry (run, peer, place, name, reason)"
                                           " values (:run, :peer, :place, :name, :reason)",
                            use(run), use(report.name), use(place), use(name), use(reason));
  for (const peers::SkippedEntry& entry : report.skipped) {
    name = stored_bytes(entry.name);
    reason = entry.reason;
    insert.execute(true);
    ++place;
  }
}

/// What was left out, by peer.
using Skipped = std::map<std::string, std::vector<peers::SkippedEntry>>;

Skipped read_skipped(soci::session& sql, RunNumber run, const std::string& first, const std::string& last) {
  Skipped skipped;
  std::string peer, name, reason;
  soci::statement each =
      (sql.prepare << "select peer, name, reason from skipped_entry where run = :run and peer between :first"
                      " and :last order by peer, place",
       into(peer), into(name), into(reason), use(run), use(first), use(last));
  for (each.execute(); each.fetch();) skipped[peer].push_back({bytes_of(name), reason});
  return skipped;
}

std::set<std::string> names_where(soci::session& sql, RunNumber run, const std::string& condition) {
  std::set<std::string> names;
  std::string name;
  soci::statement each =
      (sql.prepare << "select name from run_peer where run = :run and " + condition, into(name), use(run));
  for (each.execute(); each.fetch();) names.insert(name);
  return names;
}

void update_peer(soci::session& sql, RunNumber run, const PeerReport& report) {
  PeerRow row = row_of(report);
  sql << "update run_peer set progress = 'done', type = :type, status = :status, files = :files,"
         " bytes = :bytes, reused_files = :reused_files, attempts = :attempts, milliseconds = :milliseconds,"
         " skipped_unlisted = :skipped_unlisted, failure_kind = :failure_kind, failure = :failure"
         " where run = :run and name = :name",
      use(row.type), use(row.status), use(row.files), use(row.bytes), use(row.reused_files),
      use(row.attempts), use(row.milliseconds), use(row.skipped_unlisted),
      use(row.failure_kind.value, row.failure_kind.state), use(row.failure.value, row.failure.state),
      use(run), use(row.name);
}

// --- the history of a peer

constexpr const char* is_good = " (status = 'staged' or status = 'unchanged') ";

/// The name that comes next; a jump for each name, where `distinct` would look at every row.
std::optional<std::string> next_name(soci::session& sql, const std::string& after) {
  std::string name;
  sql << "select name from run_peer where name > :after order by name limit 1", into(name), use(after);
  if (!sql.got_data()) return std::nullopt;
  return name;
}

struct FoundRun {
  RunNumber number = 0;
  std::string id;
  long long started = 0, finished = 0;
  int is_over = 0;
};

std::optional<FoundRun> last_run(soci::session& sql, const std::string& peer, const std::string& condition) {
  FoundRun found;
  sql << "select run.number, run.id, run.started, run.finished, run.is_over from run_peer"
         " join run on run.number = run_peer.run where run_peer.name = :peer and progress = 'done' and " +
             condition + " order by run_peer.started desc, run_peer.run desc limit 1",
      into(found.number), into(found.id), into(found.started), into(found.finished), into(found.is_over),
      use(peer);
  if (!sql.got_data()) return std::nullopt;
  return found;
}

unsigned failures_since(soci::session& sql, const std::string& peer, const std::optional<FoundRun>& good) {
  const long long started = good ? good->started : std::numeric_limits<long long>::min();
  long long count = 0;
  sql << "select count(*) from run_peer where name = :peer and progress = 'done' and started > :started and"
         " not " +
             std::string(is_good),
      into(count), use(peer), use(started);
  return static_cast<unsigned>(count);
}

std::optional<PeerReport> read_peer(soci::session& sql, RunNumber run, const std::string& name) {
  std::optional<PeerReport> found;
  for_each_peer(
      sql, "run = :run and name = :name", [&](PeerReport report) { found = std::move(report); }, run, name);
  if (found) found->skipped = read_skipped(sql, run, name, name)[name];
  return found;
}

PeerHistory read_history(soci::session& sql, const std::string& name) {
  PeerHistory history;
  history.name = name;
  const auto good = last_run(sql, name, is_good);
  if (good) {
    history.last_good = time_of(good->is_over != 0 ? good->finished : good->started);
    history.last_good_run = good->id;
    const auto report = read_peer(sql, good->number, name);
    history.files = report->files;
    history.bytes = report->bytes;
  }
  if (const auto last = last_run(sql, name, "1 = 1")) {
    history.last = read_peer(sql, last->number, name);
    history.last_run = last->id;
  }
  history.failures_since = failures_since(sql, name, good);
  return history;
}

}  // namespace

void insert_missing_peers(soci::session& sql, RunNumber run, const RunReport& report) {
  PeerRow row;
  row.started = stored_time(report.started);
  sql << "select coalesce(max(place), -1) + 1 from run_peer where run = :run", into(row.place), use(run);
  const std::set<std::string> known = names_where(sql, run, "1 = 1");
  soci::statement insert =
      (sql.prepare << "insert into run_peer (run, name, place, started, progress, type, status, files, bytes,"
                      " reused_files, attempts, milliseconds, skipped_unlisted) values (:run, :name, :place,"
                      " :started, 'waiting', :type, 'cancelled', 0, 0, 0, 0, 0, 0)",
       use(run), use(row.name), use(row.place), use(row.started), use(row.type));
  for (const PeerReport& peer : report.peers) {
    if (known.contains(peer.name)) continue;
    row.name = peer.name;
    row.type = to_string(peer.type);
    insert.execute(true);
    ++row.place;
    if (peer.status != PeerStatus::cancelled) store_peer(sql, run, peer);
  }
}

void mark_peer_begun(soci::session& sql, RunNumber run, const std::string& peer) {
  sql << "update run_peer set progress = 'begun' where run = :run and name = :name", use(run), use(peer);
}

void store_peer(soci::session& sql, RunNumber run, const PeerReport& report) {
  update_peer(sql, run, report);
  insert_skipped(sql, run, report);
}

void store_open_peers(soci::session& sql, RunNumber run, const RunReport& report) {
  const std::set<std::string> open = names_where(sql, run, "progress <> 'done'");
  for (const PeerReport& peer : report.peers) {
    if (open.contains(peer.name)) store_peer(sql, run, peer);
  }
}

void reopen_cancelled_peers(soci::session& sql, RunNumber run) {
  sql << "update run_peer set progress = 'waiting' where run = :run and"
         " (progress = 'begun' or status = 'cancelled')",
      use(run);
}

std::vector<std::string> find_peers_at_work(soci::session& sql, RunNumber run) {
  const std::set<std::string> names = names_where(sql, run, "progress = 'begun'");
  return {names.begin(), names.end()};
}

std::vector<PeerReport> read_peers(soci::session& sql, RunNumber run) {
  std::vector<PeerReport> peers;
  for_each_peer(
      sql, "run = :run order by place", [&](PeerReport report) { peers.push_back(std::move(report)); }, run);
  Skipped skipped = read_skipped(sql, run, "", "\x7f");
  for (PeerReport& peer : peers) {
    if (const auto found = skipped.find(peer.name); found != skipped.end())
      peer.skipped = std::move(found->second);
  }
  return peers;
}

std::optional<std::string> find_run_that_staged(soci::session& sql, const std::string& peer,
                                                const std::string& date) {
  std::string id;
  sql << "select run.id from run_peer join run on run.number = run_peer.run where run_peer.name = :peer and"
         " progress = 'done' and run.date = :date and" +
             std::string(is_good) + "order by run_peer.started desc, run_peer.run desc limit 1",
      into(id), use(peer), use(date);
  if (!sql.got_data()) return std::nullopt;
  return id;
}

std::vector<PeerHistory> read_histories(soci::session& sql) {
  std::vector<PeerHistory> histories;
  for (auto name = next_name(sql, ""); name; name = next_name(sql, *name))
    histories.push_back(read_history(sql, *name));
  return histories;
}

}  // namespace peerstage::daemon

#include "daemon/catalog/peer_rows.h"

#include <limits>
#include <map>
#include <set>

#include "daemon/catalog/action_rows.h"
#include "daemon/catalog/peer_row.h"
#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;

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

Skipped read_skipped(soci::session& sql, RunNumber run) {
  Skipped skipped;
  std::string peer, name, reason;
  soci::statement each = (sql.prepare << "select peer, name, reason from skipped_entry where run = :run"
                                         " order by peer, place",
                          into(peer), into(name), into(reason), use(run));
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

constexpr const char* status_is_good = " (status = 'staged' or status = 'unchanged') ";

}  // namespace

void insert_missing_peers(soci::session& sql, RunNumber run, const RunReport& report) {
  const long long started = stored_time(report.started);
  long long place = 0;
  std::string name, type;
  sql << "select coalesce(max(place), -1) + 1 from run_peer where run = :run", into(place), use(run);
  const std::set<std::string> known = names_where(sql, run, "1 = 1");
  soci::statement insert =
      (sql.prepare << "insert into run_peer (run, name, place, started, progress, type, status, files, bytes,"
                      " reused_files, attempts, milliseconds, skipped_unlisted) values (:run, :name, :place,"
                      " :started, 'waiting', :type, 'cancelled', 0, 0, 0, 0, 0, 0)",
       use(run), use(name), use(place), use(started), use(type));
  for (const PeerReport& peer : report.peers) {
    if (known.contains(peer.name)) continue;
    name = peer.name;
    type = to_string(peer.type);
    insert.execute(true);
    ++place;
    if (peer.status != PeerStatus::cancelled) store_peer(sql, run, peer);
  }
}

void mark_peer_begun(soci::session& sql, RunNumber run, const std::string& peer) {
  sql << "update run_peer set progress = 'begun' where run = :run and name = :name", use(run), use(peer);
}

void mark_tried_peers_begun(soci::session& sql, RunNumber run, const RunReport& report) {
  const std::set<std::string> waiting = names_where(sql, run, "progress = 'waiting'");
  for (const PeerReport& peer : report.peers) {
    if (peer.attempts > 0 && waiting.contains(peer.name)) mark_peer_begun(sql, run, peer.name);
  }
}

void store_peer(soci::session& sql, RunNumber run, const PeerReport& report) {
  update_peer(sql, run, report);
  insert_skipped(sql, run, report);
  store_actions(sql, run, report.name, report.actions);
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
  PeerRow row;
  soci::statement each(sql);
  each.alloc();
  each.prepare("select" + std::string(peer_columns) + "from run_peer where run = :run order by place");
  exchange_columns(each, row);
  each.exchange(use(run));
  each.define_and_bind();
  std::vector<PeerReport> peers;
  for (each.execute(); each.fetch();) peers.push_back(report_of(row));
  Skipped skipped = read_skipped(sql, run);
  auto actions = read_actions(sql, run);
  for (PeerReport& peer : peers) {
    if (const auto found = skipped.find(peer.name); found != skipped.end())
      peer.skipped = std::move(found->second);
    if (const auto found = actions.find(peer.name); found != actions.end())
      peer.actions = std::move(found->second);
  }
  return peers;
}

std::optional<std::string> find_run_that_staged(soci::session& sql, const std::string& peer,
                                                const std::string& date) {
  std::string id;
  sql << "select run.id from run_peer join run on run.number = run_peer.run where run_peer.name = :peer and"
         " progress = 'done' and run.date = :date and" +
             std::string(status_is_good) + "order by run_peer.started desc, run_peer.run desc limit 1",
      into(id), use(peer), use(date);
  if (!sql.got_data()) return std::nullopt;
  return id;
}

}  // namespace peerstage::daemon

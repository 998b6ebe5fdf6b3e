#include "daemon/catalog/peer_history.h"

#include <limits>
#include <optional>
#include <string>

#include "daemon/catalog/peer_row.h"
#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;

/// The last run in which a peer was done. The statement is prepared once: there may be thousands of peers.
class LastRun {
 public:
  LastRun(soci::session& sql, const std::string& condition) : select_(sql) {
    select_.alloc();
    select_.prepare("select run.id, run.started, run.finished, run.is_over," + std::string(peer_columns) +
                    "from run_peer join run on run.number = run_peer.run where run_peer.name = :name"
                    " and progress = 'done'" +
                    condition + " order by run_peer.started desc, run_peer.run desc limit 1");
    select_.exchange(into(id));
    select_.exchange(into(started));
    select_.exchange(into(finished_));
    select_.exchange(into(is_over_));
    exchange_columns(select_, row_);
    select_.exchange(use(name_));
    select_.define_and_bind();
  }
  LastRun(const LastRun&) = delete;
  LastRun& operator=(const LastRun&) = delete;

  bool find(const std::string& name) {
    name_ = name;
    return select_.execute(true);
  }
  PeerReport report() const { return report_of(row_); }
  CatalogTime end() const { return time_of(is_over_ != 0 ? finished_ : started); }

  // Of the run that was found:
  std::string id;
  long long started = 0;

 private:
  std::string name_;
  long long finished_ = 0;
  int is_over_ = 0;
  PeerRow row_;
  soci::statement select_;
};

/// The names of all peers: a jump for each, where `distinct` would look at every row.
class Names {
 public:
  explicit Names(soci::session& sql)
      : select_((sql.prepare << "select name from run_peer where name > :after order by name limit 1",
                 into(next_), use(last_))) {}
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  /// Null at the end.
  const std::string* next() {
    if (!select_.execute(true)) return nullptr;
    last_ = next_;
    return &last_;
  }

 private:
  std::string last_, next_;
  soci::statement select_;
};

class Histories {
 public:
  explicit Histories(soci::session& sql)
      : names_(sql),
        good_(sql, " and status in ('staged', 'unchanged')"),
        last_(sql, ""),
        failures_((sql.prepare << "select count(*) from run_peer where name = :name and progress = 'done' and"
                                  " started > :since and status not in ('staged', 'unchanged')",
                   into(failure_count_), use(name_), use(since_))) {}

  std::vector<PeerHistory> read() {
    std::vector<PeerHistory> histories;
    while (const std::string* name = names_.next()) histories.push_back(history_of(*name));
    return histories;
  }

 private:
  PeerHistory history_of(const std::string& name) {
    PeerHistory history;
    history.name = name;
    since_ = std::numeric_limits<long long>::min();
    if (good_.find(name)) {
      const PeerReport report = good_.report();
      history.last_good = good_.end();
      history.last_good_run = good_.id;
      history.files = report.files;
      history.bytes = report.bytes;
      since_ = good_.started;
    }
    if (last_.find(name)) {
      history.last = last_.report();
      history.last_run = last_.id;
    }
    history.failures_since = failures_of(name);
    return history;
  }

  unsigned failures_of(const std::string& name) {
    name_ = name;
    failures_.execute(true);
    return static_cast<unsigned>(failure_count_);
  }

  Names names_;
  LastRun good_, last_;
  std::string name_;
  long long since_ = 0, failure_count_ = 0;
  soci::statement failures_;
};

}  // namespace

std::vector<PeerHistory> read_histories(soci::session& sql) {
  return Histories(sql).read();
}

}  // namespace peerstage::daemon

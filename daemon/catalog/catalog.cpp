#include "daemon/catalog/catalog.h"

#include <utility>

#include "daemon/catalog/action_rows.h"
#include "daemon/catalog/catalog_file.h"
#include "daemon/catalog/catalog_session.h"
#include "daemon/catalog/peer_history.h"
#include "daemon/catalog/peer_rows.h"
#include "daemon/catalog/run_rows.h"
#include "daemon/catalog/stored_values.h"
#include "daemon/catalog/tree_rows.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;

constexpr const char* paused_setting = "paused";

}  // namespace

class Catalog::Database {
 public:
  Database(std::string path, Access access) : path_(std::move(path)) {
    if (access == Access::read_only) {
      open_to_read();
    } else {
      open_to_write();
    }
  }

  const std::optional<std::string>& begun_anew() const { return begun_anew_; }

  template <typename Act>
  auto read(Act act) {
    return checked([&] { return session_->read(act); });
  }
  template <typename Act>
  void write(Act act) {
    checked([&] { session_->write(act); });
  }
  /// act(sql, number of the run).
  template <typename Act>
  void write_run(const std::string& id, Act act) {
    write([&](soci::session& sql) { act(sql, known_run(sql, id)); });
  }

 private:
  void open_to_read() {
    prepare_to_read(path_);
    try {
      session_.emplace(path_, Access::read_only);
    } catch (const CatalogDamaged& error) {
      throw CatalogError("cannot read the catalog " + peers::printable(path_) + ": it " + error.what());
    }
  }

  void open_to_write() {
    if (prepare_to_write(path_) == FileFound::created)
      begun_anew_ = "the catalog " + peers::printable(path_) + " did not exist and was made";
    try {
      session_.emplace(path_, Access::read_write);
    } catch (const CatalogDamaged& error) {
      const std::string aside = set_aside(path_, std::chrono::system_clock::now());
      begun_anew_ = "the catalog " + peers::printable(path_) + " " + error.what() + "; it was set aside as " +
                    peers::printable(aside) + ", and a new one was begun";
      prepare_to_write(path_);
      session_.emplace(path_, Access::read_write);
    }
  }

  template <typename Act>
  auto checked(Act act) {
    try {
      return act();
    } catch (const StrangeValue& error) {
      throw CatalogError("cannot read the catalog " + peers::printable(path_) + ": " +
                         peers::printable(error.what(), 300));
    }
  }

  RunNumber known_run(soci::session& sql, const std::string& id) const {
    if (const auto number = find_run(sql, id)) return *number;
    throw CatalogError("the catalog " + peers::printable(path_) + " knows no run " + peers::printable(id));
  }

  std::string path_;
  std::optional<std::string> begun_anew_;
  std::optional<CatalogSession> session_;
};

Catalog::Catalog(const std::string& path, Access access)
    : database_(std::make_unique<Database>(path, access)) {}
Catalog::~Catalog() = default;
Catalog::Catalog(Catalog&&) noexcept = default;
Catalog& Catalog::operator=(Catalog&&) noexcept = default;

const std::optional<std::string>& Catalog::was_begun_anew() const {
  return database_->begun_anew();
}

void Catalog::begin_run(const RunReport& report, const RunOrigin& origin) {
  database_->write([&](soci::session& sql) {
    const auto known = find_run(sql, report.id);
    if (known) reopen_run(sql, *known, report);
    store_actions(sql, known ? *known : insert_run(sql, report, origin), "", report.actions);
  });
}

void Catalog::interrupt_run(const std::string& run, const RunInterruption& interruption) {
  database_->write_run(run, [&](soci::session& sql, RunNumber number) {
    forget_doubtful_trees(sql, number);
    reopen_cancelled_peers(sql, number);
    insert_interruption(sql, number, interruption);
  });
}

void Catalog::begin_peer(const std::string& run, const std::string& peer) {
  database_->write_run(run, [&](soci::session& sql, RunNumber number) {
    drop_told_tree(sql, number, peer);
    mark_peer_begun(sql, number, peer);
  });
}

void Catalog::add_files(const std::string& run, const std::string& peer, const std::vector<WorkFile>& files) {
  database_->write_run(run,
                       [&](soci::session& sql, RunNumber number) { add_to_tree(sql, number, peer, files); });
}

void Catalog::drop_files(const std::string& run, const std::string& peer) {
  database_->write_run(run, [&](soci::session& sql, RunNumber number) { drop_told_tree(sql, number, peer); });
}

void Catalog::record_action(const std::string& run, const std::string& peer, const ActionReport& report) {
  database_->write_run(
      run, [&](soci::session& sql, RunNumber number) { store_action(sql, number, peer, report); });
}

void Catalog::end_peer(const std::string& run, const PeerReport& report) {
  database_->write_run(run, [&](soci::session& sql, RunNumber number) {
    store_peer(sql, number, report);
    complete_tree(sql, number, report.name);
  });
}

void Catalog::end_run(const RunReport& report) {
  database_->write_run(report.id, [&](soci::session& sql, RunNumber number) {
    mark_tried_peers_begun(sql, number, report);
    forget_doubtful_trees(sql, number);
    close_run(sql, number, report);
    store_actions(sql, number, "", report.actions);
  });
}

void Catalog::complete_files(const std::string& run, const std::string& peer) {
  database_->write_run(run, [&](soci::session& sql, RunNumber number) { complete_tree(sql, number, peer); });
}

void Catalog::forget_files(const std::string& peer, std::chrono::year_month_day date) {
  database_->write([&](soci::session& sql) { forget_tree(sql, peer, stored_date(date)); });
}

void Catalog::forget_runs_before(std::chrono::system_clock::time_point when) {
  const long long limit = stored_time(when);
  database_->write([&](soci::session& sql) {
    sql << "delete from run where started < :when and is_over = 1", use(limit);
  });
}

std::vector<CatalogedRun> Catalog::runs(const HistoryQuery& query) const {
  return database_->read([&](soci::session& sql) { return read_runs(sql, find_runs(sql, query)); });
}

std::optional<CatalogedRun> Catalog::run(const std::string& id) const {
  return database_->read([&](soci::session& sql) -> std::optional<CatalogedRun> {
    const auto number = find_run(sql, id);
    if (!number) return std::nullopt;
    return read_runs(sql, {*number}).front();
  });
}

std::vector<CatalogedRun> Catalog::unfinished_runs() const {
  return database_->read([](soci::session& sql) { return read_runs(sql, find_unfinished_runs(sql)); });
}

std::vector<PeerHistory> Catalog::peers() const {
  return database_->read([](soci::session& sql) { return read_histories(sql); });
}

std::optional<std::vector<WorkFile>> Catalog::files(const std::string& peer,
                                                    std::chrono::year_month_day date) const {
  return database_->read([&](soci::session& sql) { return read_tree(sql, peer, stored_date(date)); });
}

std::vector<CatalogedDay> Catalog::days() const {
  return database_->read([](soci::session& sql) { return read_days(sql); });
}

bool Catalog::knows_files(const std::string& peer, std::chrono::year_month_day date) const {
  return database_->read([&](soci::session& sql) { return has_tree(sql, peer, stored_date(date)); });
}

std::optional<std::string> Catalog::run_that_staged(const std::string& peer,
                                                    std::chrono::year_month_day date) const {
  return database_->read(
      [&](soci::session& sql) { return find_run_that_staged(sql, peer, stored_date(date)); });
}

std::optional<std::chrono::system_clock::time_point> Catalog::last_slot(const std::string& job) const {
  return database_->read([&](soci::session& sql) -> std::optional<CatalogTime> {
    long long slot = 0;
    sql << "select slot from job_slot where job = :job", into(slot), use(job);
    if (!sql.got_data()) return std::nullopt;
    return time_of(slot);
  });
}

void Catalog::set_last_slot(const std::string& job, std::chrono::system_clock::time_point slot) {
  const long long stored = stored_time(slot);
  database_->write([&](soci::session& sql) {
    sql << "delete from job_slot where job = :job", use(job);
    sql << "insert into job_slot (job, slot) values (:job, :slot)", use(job), use(stored);
  });
}

bool Catalog::paused() const {
  return database_->read([](soci::session& sql) {
    // The statement is executed at the end of its line, when a temporary would be gone already.
    const std::string name = paused_setting;
    std::string value;
    sql << "select value from setting where name = :name", into(value), use(name);
    return sql.got_data() && value == "yes";
  });
}

void Catalog::set_paused(bool paused) {
  const std::string name = paused_setting;
  const std::string value = paused ? "yes" : "no";
  database_->write([&](soci::session& sql) {
    sql << "delete from setting where name = :name", use(name);
    sql << "insert into setting (name, value) values (:name, :value)", use(name), use(value);
  });
}

}  // namespace peerstage::daemon

#include "daemon/catalog/tree_rows.h"

#include <algorithm>

#include "daemon/catalog/peer_rows.h"
#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {
namespace {

using soci::into;
using soci::use;

using TreeNumber = long long;

std::optional<TreeNumber> find_told_tree(soci::session& sql, RunNumber run, const std::string& peer) {
  TreeNumber number = 0;
  sql << "select number from tree where run = :run and peer = :peer and is_complete = 0", into(number),
      use(run), use(peer);
  if (!sql.got_data()) return std::nullopt;
  return number;
}

std::optional<TreeNumber> find_complete_tree(soci::session& sql, const std::string& peer,
                                             const std::string& date) {
  TreeNumber number = 0;
  sql << "select number from tree where peer = :peer and date = :date and is_complete = 1", into(number),
      use(peer), use(date);
  if (!sql.got_data()) return std::nullopt;
  return number;
}

TreeNumber insert_tree(soci::session& sql, RunNumber run, const std::string& peer) {
  TreeNumber number = 0;
  const std::string date = date_of_run(sql, run);
  sql << "select coalesce(max(number), 0) + 1 from tree", into(number);
  sql << "insert into tree (number, peer, date, run, is_complete) values (:number, :peer, :date, :run, 0)",
      use(number), use(peer), use(date), use(run);
  return number;
}

}  // namespace

void add_to_tree(soci::session& sql, RunNumber run, const std::string& peer,
                 const std::vector<WorkFile>& files) {
  const auto told = find_told_tree(sql, run, peer);
  const TreeNumber tree = told ? *told : insert_tree(sql, run, peer);
  std::string name, sum, fetched_on;
  long long size = 0, source_mtime = 0;
  // A worker that is not itself any more may tell a name twice; the peer's day has it once.
  soci::statement insert =
      (sql.prepare
           << "insert into file (tree, name, size, sha256, source_mtime, fetched_on) values (:tree,"
              " :name, :size, :sha256, :source_mtime, :fetched_on) on conflict (tree, name) do nothing",
       use(tree), use(name), use(size), use(sum), use(source_mtime), use(fetched_on));
  for (const WorkFile& file : files) {
    name = stored_bytes(file.name);
    size = stored_number(file.size);
    sum = stored_sum(file.sha256);
    source_mtime = file.source_mtime;
    fetched_on = file.fetched_on;
    insert.execute(true);
  }
}

void drop_told_tree(soci::session& sql, RunNumber run, const std::string& peer) {
  sql << "delete from tree where run = :run and peer = :peer and is_complete = 0", use(run), use(peer);
}

void forget_doubtful_trees(soci::session& sql, RunNumber run) {
  sql << "delete from tree where run = :run and is_complete = 0", use(run);
  const std::string date = date_of_run(sql, run);
  for (const std::string& peer : find_peers_at_work(sql, run)) forget_tree(sql, peer, date);
}

void complete_tree(soci::session& sql, RunNumber run, const std::string& peer) {
  const auto told = find_told_tree(sql, run, peer);
  if (!told) return;
  std::string date;
  sql << "select date from tree where number = :number", into(date), use(*told);
  forget_tree(sql, peer, date);
  sql << "update tree set is_complete = 1 where number = :number", use(*told);
}

void forget_tree(soci::session& sql, const std::string& peer, const std::string& date) {
  sql << "delete from tree where peer = :peer and date = :date and is_complete = 1", use(peer), use(date);
}

std::optional<std::vector<WorkFile>> read_tree(soci::session& sql, const std::string& peer,
                                               const std::string& date) {
  const auto tree = find_complete_tree(sql, peer, date);
  if (!tree) return std::nullopt;
  std::vector<WorkFile> files;
  std::string name, sum, fetched_on;
  long long size = 0, source_mtime = 0;
  soci::statement each =
      (sql.prepare << "select name, size, sha256, source_mtime, fetched_on from file where tree = :tree",
       into(name), into(size), into(sum), into(source_mtime), into(fetched_on), use(*tree));
  for (each.execute(); each.fetch();)
    files.push_back({bytes_of(name), number_of(size), sum_of(sum), source_mtime, fetched_on});
  std::ranges::sort(files, {}, &WorkFile::name);  // by their bytes, which stored names are not
  return files;
}

bool has_tree(soci::session& sql, const std::string& peer, const std::string& date) {
  return find_complete_tree(sql, peer, date).has_value();
}

std::vector<CatalogedDay> read_days(soci::session& sql) {
  std::vector<CatalogedDay> days;
  std::string peer, date;
  long long files = 0;
  soci::statement each = (sql.prepare << "select peer, date, (select count(*) from file where"
                                         " file.tree = tree.number) from tree where is_complete = 1"
                                         " order by date, peer",
                          into(peer), into(date), into(files));
  for (each.execute(); each.fetch();) days.push_back({peer, date_of(date), number_of(files)});
  return days;
}

}  // namespace peerstage::daemon

#include "daemon/catalog/catalog_session.h"

#include <cstring>
#include <soci/sqlite3/soci-sqlite3.h>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace sqlite = sqlite_api;

/// A write-ahead log that a big transaction left behind is cut to this size.
constexpr int longest_kept_log = 16 << 20;

/// Looking for damage costs a read of the whole file: 0.2 s for the 150 MB of a million files. A larger one
/// is believed until something does not fit.
constexpr long long largest_checked = 512LL << 20;

constexpr const char* not_writable = "it may not be written by this user, or its file system is read-only";

sqlite::sqlite3* handle(soci::session& sql) {
  return static_cast<soci::sqlite3_session_backend*>(sql.get_backend())->conn_;
}

int result_of(const soci::soci_error& error) {
  const auto* known = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  return known == nullptr ? SQLITE_ERROR : known->result() & 0xff;
}

bool is_damage(int result) {
  return result == SQLITE_CORRUPT || result == SQLITE_NOTADB;
}

std::string reason(const soci::soci_error& error) {
  switch (result_of(error)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program has held it for more than a second";
    case SQLITE_FULL:
      return "the disk is full";
    case SQLITE_READONLY:
      return not_writable;
    case SQLITE_CANTOPEN:
      return "it, or one of the files PATH-wal and PATH-shm beside it, cannot be opened or made by this user";
    case SQLITE_IOERR:
      return "the disk failed";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "it is damaged; move it away, or start the daemon anew, which sets it aside";
    default:
      return peers::printable(error.what(), 500);
  }
}

}  // namespace

CatalogSession::CatalogSession(std::string path, Catalog::Access access, const std::vector<Migration>& known)
    : path_(std::move(path)) {
  const int newest = static_cast<int>(known.size());
  try {
    open(access);
    judge(access, newest);
    if (access == Catalog::Access::read_only) return;
    check_pages();
    sql_ << "pragma journal_mode = wal";
    sql_ << "pragma synchronous = normal";
    sql_ << "pragma journal_size_limit = " << longest_kept_log;
    keep_files_of_the_log();
    bring_up_to_date(known);
  } catch (const soci::soci_error& error) {
    if (is_damage(result_of(error))) throw CatalogDamaged("is torn, or no database at all");
    fail("open", error);
  }
}

void CatalogSession::open(Catalog::Access access) {
  if (path_.find('"') != std::string::npos)
    throw CatalogError("the path of the catalog, " + peers::printable(path_) + ", must not have a quote");
  // The timeout is in seconds, how long a lock of another program is waited for.
  const std::string connection = "dbname=\"" + path_ + "\" timeout=1";
  sql_.open(soci::sqlite3, access == Catalog::Access::read_only ? connection + " readonly=1" : connection);
  // SQLite opens to read what it may not write, and says nothing.
  if (access == Catalog::Access::read_write && sqlite::sqlite3_db_readonly(handle(sql_), "main") == 1)
    throw CatalogError("cannot write the catalog " + peers::printable(path_) + ": " + not_writable);
  sql_ << "pragma foreign_keys = on";
  sql_ << "pragma trusted_schema = off";
}

void CatalogSession::judge(Catalog::Access access, int newest) {
  int objects = 0;
  sql_ << "select count(*) from sqlite_master", soci::into(objects);
  const int application = pragma("application_id");
  const int version = pragma("user_version");
  const bool is_empty = objects == 0 && application == 0;
  if (application != catalog_application_id && !is_empty)
    throw CatalogDamaged("is a database of another program");
  if (version > newest) {
    throw CatalogError("the catalog " + peers::printable(path_) + " is of version " +
                       std::to_string(version) + ", and this program knows " + std::to_string(newest) +
                       "; use the newer program, or move the file away to begin anew");
  }
  if (access == Catalog::Access::read_only && version < newest) {
    throw CatalogError("the catalog " + peers::printable(path_) +
                       " is of an older version; the daemon brings it up to date when it starts");
  }
}

void CatalogSession::check_pages() {
  long long pages = 0, page_size = 0;
  sql_ << "pragma page_count", soci::into(pages);
  sql_ << "pragma page_size", soci::into(page_size);
  if (pages * page_size > largest_checked) return;
  std::string verdict;
  sql_ << "pragma quick_check(1)", soci::into(verdict);
  if (verdict != "ok") throw CatalogDamaged("is damaged");
}

/// So that users who may read but make no files can open the catalog while nobody writes it
/// (https://www.sqlite.org/wal.html, "Read-Only Databases").
void CatalogSession::keep_files_of_the_log() {
  int on = 1;
  sqlite::sqlite3_file_control(handle(sql_), nullptr, SQLITE_FCNTL_PERSIST_WAL, &on);
}

void CatalogSession::bring_up_to_date(const std::vector<Migration>& known) {
  for (std::size_t version = 0; version < known.size(); ++version) {
    if (pragma("user_version") > static_cast<int>(version)) continue;
    write([&](soci::session& sql) {
      if (pragma("user_version") > static_cast<int>(version)) return;  // by now; another process was quicker
      for (const std::string& statement : known[version]) sql << statement;
      sql << "pragma application_id = " << catalog_application_id;
      sql << "pragma user_version = " << version + 1;
    });
  }
}

int CatalogSession::pragma(const char* name) {
  int value = 0;
  sql_ << "pragma " << name, soci::into(value);
  return value;
}

void CatalogSession::fail(const char* tried, const soci::soci_error& error) const {
  throw CatalogError("cannot " + std::string(tried) + " the catalog " + peers::printable(path_) + ": " +
                     reason(error));
}

CatalogSession::Transaction::~Transaction() {
  if (committed_) return;
  try {
    sql_ << "rollback";
  } catch (const soci::soci_error&) {
    // SQLite has rolled it back itself, which it does after some errors.
  }
}

}  // namespace peerstage::daemon

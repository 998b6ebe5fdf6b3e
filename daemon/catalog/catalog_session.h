#pragma once

#include <soci/soci.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/catalog/schema.h"

namespace peerstage::daemon {

/// What is in the file is no catalog: torn, or of another program. The message completes "it ...".
class CatalogDamaged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The database of the catalog, open, with tables of our version.
class CatalogSession {
 public:
  /// Throws CatalogError and, before it changed anything, CatalogDamaged.
  CatalogSession(std::string path, Catalog::Access access,
                 const std::vector<Migration>& known = migrations());

  /// Calls `act(sql)` inside a transaction that sees one moment. Throws CatalogError.
  template <typename Act>
  auto read(Act act) {
    return in_transaction("read", "begin", act);
  }
  /// The same for changes: all of them or none.
  template <typename Act>
  auto write(Act act) {
    return in_transaction("write", "begin immediate", act);
  }

 private:
  /// Ends what was not committed.
  class Transaction {
   public:
    Transaction(soci::session& sql, const char* begin) : sql_(sql) { sql_ << begin; }
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit() {
      sql_ << "commit";
      committed_ = true;
    }

   private:
    soci::session& sql_;
    bool committed_ = false;
  };

  template <typename Act>
  auto in_transaction(const char* tried, const char* begin, Act act) {
    try {
      Transaction transaction(sql_, begin);
      if constexpr (std::is_void_v<decltype(act(sql_))>) {
        act(sql_);
        transaction.commit();
      } else {
        auto result = act(sql_);
        transaction.commit();
        return result;
      }
    } catch (const soci::soci_error& error) {
      fail(tried, error);
    }
  }

  void open(Catalog::Access access);
  void judge(Catalog::Access access, int newest);
  void check_pages();
  void keep_files_of_the_log();
  void bring_up_to_date(const std::vector<Migration>& known);
  int pragma(const char* name);
  [[noreturn]] void fail(const char* tried, const soci::soci_error& error) const;

  std::string path_;
  soci::session sql_;
};

}  // namespace peerstage::daemon

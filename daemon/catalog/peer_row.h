#pragma once

#include <soci/soci.h>
#include <string>

#include "daemon/catalog/nullable.h"
#include "daemon/report.h"

/// What the table `run_peer` says of a peer's report. What was left out stands in a table of its own.
namespace peerstage::daemon {

struct PeerRow {
  std::string name, type, status;
  long long files = 0, bytes = 0, reused_files = 0, attempts = 0, milliseconds = 0, skipped_unlisted = 0;
  Nullable<std::string> failure_kind, failure;
};

/// For a select, in the order of exchange_columns.
inline constexpr const char* peer_columns =
    " name, type, status, files, bytes, reused_files, attempts, milliseconds, skipped_unlisted, failure_kind,"
    " failure ";
/// The row must outlive the statement.
void exchange_columns(soci::statement& select, PeerRow& row);

PeerRow row_of(const PeerReport& report);
PeerReport report_of(const PeerRow& row);

}  // namespace peerstage::daemon

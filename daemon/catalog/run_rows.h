#pragma once

#include <optional>
#include <soci/soci.h>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"

/// Runs and what became of their peers, in the tables of the catalog. Everything happens inside the caller's
/// transaction; failures are soci::soci_error and StrangeValue.
namespace peerstage::daemon {

/// The number of a run in the tables.
using RunNumber = long long;

std::optional<RunNumber> find_run(soci::session& sql, const std::string& id);
RunNumber insert_run(soci::session& sql, const RunReport& report, const RunOrigin& origin);
/// A run that was begun before goes on: it is not over, and has peers that it did not have.
void reopen_run(soci::session& sql, RunNumber run, const RunReport& report);
void close_run(soci::session& sql, RunNumber run, const RunReport& report);
void insert_interruption(soci::session& sql, RunNumber run, const RunInterruption& interruption);
std::string date_of_run(soci::session& sql, RunNumber run);

/// By the numbers of runs, in this order.
std::vector<CatalogedRun> read_runs(soci::session& sql, const std::vector<RunNumber>& numbers);
std::vector<RunNumber> find_runs(soci::session& sql, const HistoryQuery& query);
std::vector<RunNumber> find_unfinished_runs(soci::session& sql);

}  // namespace peerstage::daemon

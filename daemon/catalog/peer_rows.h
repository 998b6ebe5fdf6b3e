#pragma once

#include <optional>
#include <soci/soci.h>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/catalog/run_rows.h"

/// What becomes of a peer in a run: it waits, is begun, is done. As run_rows.h.
namespace peerstage::daemon {

/// Those of the report that the run does not have yet. Cancelled ones have not been done and wait.
void insert_missing_peers(soci::session& sql, RunNumber run, const RunReport& report);
void mark_peer_begun(soci::session& sql, RunNumber run, const std::string& peer);
/// The same for those that wait although the report says that they were tried: that was missed.
void mark_tried_peers_begun(soci::session& sql, RunNumber run, const RunReport& report);
/// It is done, with this result.
void store_peer(soci::session& sql, RunNumber run, const PeerReport& report);
/// The same for each peer of the report that is not done.
void store_open_peers(soci::session& sql, RunNumber run, const RunReport& report);
/// Those that were cancelled wait again.
void reopen_cancelled_peers(soci::session& sql, RunNumber run);

/// Begun and not done.
std::vector<std::string> find_peers_at_work(soci::session& sql, RunNumber run);
/// In the order of the report.
std::vector<PeerReport> read_peers(soci::session& sql, RunNumber run);
std::optional<std::string> find_run_that_staged(soci::session& sql, const std::string& peer,
                                                const std::string& date);

}  // namespace peerstage::daemon

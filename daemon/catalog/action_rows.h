#pragma once

#include <map>
#include <soci/soci.h>
#include <string>
#include <vector>

#include "daemon/catalog/run_rows.h"
#include "daemon/report.h"

/// Managed actions of a run's peers, and the actions of this machine's own, which are those of no peer. As
/// run_rows.h.
namespace peerstage::daemon {

/// One that is known already is replaced, and keeps its place.
void store_action(soci::session& sql, RunNumber run, const std::string& peer, const ActionReport& report);
void store_actions(soci::session& sql, RunNumber run, const std::string& peer,
                   const std::vector<ActionReport>& reports);
/// By peer; those of this machine's own by the empty name.
std::map<std::string, std::vector<ActionReport>> read_actions(soci::session& sql, RunNumber run);

}  // namespace peerstage::daemon

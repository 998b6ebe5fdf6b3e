#pragma once

#include <soci/soci.h>
#include <vector>

#include "daemon/catalog/catalog.h"

namespace peerstage::daemon {

/// Of every peer that a run has ever had, in the order of their names. As run_rows.h.
std::vector<PeerHistory> read_histories(soci::session& sql);

}  // namespace peerstage::daemon

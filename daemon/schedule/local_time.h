#pragma once

#include <string>

#include "daemon/schedule/zone.h"

namespace peerstage::daemon {

/// For people: "Sat 2026-11-21 02:30 +0100".
std::string readable_time(const Zone& zone, WallTime when);

/// ISO 8601 with the zone's offset, to the second: "2026-11-21T02:30:00+01:00".
std::string local_timestamp(const Zone& zone, WallTime when);

}  // namespace peerstage::daemon

#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "peers/staging/directory.h"
#include "peers/staging/spool.h"

namespace peerstage::peers::staging {

/// Where the day of a peer stands.
struct StagedDay {
  Date date{};
  std::string peer;
  auto operator<=>(const StagedDay&) const = default;
};

/// The days that stand below the staging directory, by date and peer: STAGING/YYYY/MM/DD/PEER for every
/// directory whose name a peer can have. `date` and `peers` (none: all) say which are wanted. Throws
/// PeerError for a directory that cannot be listed.
std::vector<StagedDay> staged_days(const Directory& staging, std::optional<Date> date,
                                   const std::vector<std::string>& peers);

/// The directory of a date; absent: there is none.
std::optional<Directory> find_day(const Directory& staging, Date date);

}  // namespace peerstage::peers::staging

#pragma once

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "peers/staging/directory.h"
#include "peers/staging/peer_place.h"

namespace peerstage::peers::staging {

/// The directories of a date, from the top down: "2026", "11", "20".
std::array<std::string, 3> day_components(Date date);

/// The directory of a date below the staging directory; absent: there is none. Throws PeerError, permanent,
/// when a link or a file has a name on the way.
std::optional<Directory> find_day(const Directory& staging, Date date);

/// The newest day before this one that has the peer, not older than a month. Absent: there is none, or it
/// cannot be looked at.
std::optional<StagedBefore> find_before(const Directory& staging, Date date, const std::string& peer);

/// Where the day of a peer stands.
struct StagedDay {
  Date date{};
  std::string peer;  ///< raw bytes
  auto operator<=>(const StagedDay&) const = default;
};

struct StagedDays {
  std::vector<StagedDay> days;        ///< in the order of date and name
  std::vector<std::string> problems;  ///< a sentence for each directory that could not be looked into
};

/// The peers' days that stand below the staging directory: all entries of a day but files and what no peer
/// can be called. `date` and `peers` (none: all) say which are wanted. A directory that cannot be listed does
/// not hide the others, nor does a link where a directory should be.
StagedDays staged_days(const Directory& staging, std::optional<Date> date,
                       const std::vector<std::string>& peers);

}  // namespace peerstage::peers::staging

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/stat.h>

#include "peers/staging/directory.h"

/// What the two markers of a collect directory say: cback.collect, which a collect writes when it is
/// complete, and cback.stage, which a master writes when it has staged it. Collecting and purging judge by
/// the same rule.
namespace peerstage::peers::staging {

/// Times are those of the machine that holds the file system, in ns since the epoch.
struct Marker {
  std::int64_t modified = 0;
  std::int64_t changed = 0;  ///< ctime: nobody can set it
  std::uint64_t inode = 0;

  /// When it was surely there, as far as its times tell. Both count: one can be set by hand (`scp -p`), the
  /// other changes when somebody hands the file over.
  std::int64_t written() const { return modified < changed ? modified : changed; }
};

Marker marker_of(const struct stat& status);

/// Absent: there is none, or something that is no regular file has its name. Throws PeerError.
std::optional<Marker> find_marker(const Directory& collect_dir, const std::string& name);

/// Whether a master said that it has staged what was complete at a time. It must have done so later: a
/// marker of the same tick of the clock may be about the collect before.
bool says_staged(const std::optional<Marker>& stage, std::int64_t complete_at);

}  // namespace peerstage::peers::staging

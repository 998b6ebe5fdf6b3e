#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "peers/staging/directory.h"

/// The two markers of a collect directory: cback.collect, which we write when a collect is complete, and
/// cback.stage, which a master writes when it has staged it.
namespace peerstage::peers::collect {

/// Times are those of the machine that holds the file system, in ns since the epoch.
struct Marker {
  std::int64_t modified = 0;
  std::int64_t changed = 0;  ///< ctime: nobody can set it
  std::uint64_t inode = 0;
};

/// Absent: there is none, or something that is no regular file has its name.
std::optional<Marker> find_marker(const staging::Directory& collect_dir, const std::string& name);

/// Whether a master said that it has staged what was complete at a time. It must have done so later: a
/// marker of the same tick of the clock may be about the collect before. Both of its times count: one can be
/// set by hand (`scp -p`), the other changes when somebody hands the file over.
bool says_staged(const std::optional<Marker>& stage, std::int64_t complete_at);

/// Writes cback.collect, durable, after everything else of the directory has become durable.
Marker write_collect_marker(const staging::Directory& collect_dir,
                            const std::optional<staging::Ownership>& owner);

}  // namespace peerstage::peers::collect

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "peers/observer.h"
#include "peers/staging/directory.h"
#include "peers/staging/manifest.h"
#include "peers/staging/source_tag.h"

namespace peerstage::peers::staging {

/// A file (or a link, or whatever somebody put there) of a peer's day.
struct HeldFile {
  enum class Type { regular, other };
  Type type = Type::regular;
  std::uint64_t size = 0;
  std::optional<SourceTag> tag;
  std::optional<Digest> sum;  ///< what the day's manifest says
};

/// What a peer's day holds already. Keys are paths relative to it, in raw bytes; our manifest is not among
/// them.
struct HeldTree {
  std::map<std::string, HeldFile> files;
  std::map<std::string, mode_t> directories;  ///< with their permission bits
  /// Why the day's manifest could not be used; empty: it could, or there is none.
  std::string manifest_problem;
};

/// Reads it without a trace: no file's content but the manifest's, and no access time where we may.
HeldTree read_held_tree(const Directory& peer_day);

/// A file of the tree as an observer is told of it. Absent: it did not come from the peer.
std::optional<StagedFile> staged_file(const std::string& path, const HeldFile& file);

}  // namespace peerstage::peers::staging

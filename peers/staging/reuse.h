#pragma once

#include <map>
#include <optional>
#include <string>

#include "peers/staging/file_modes.h"
#include "peers/staging/file_writer.h"
#include "peers/staging/held_tree.h"
#include "peers/staging/manifest.h"
#include "peers/staging/peer_place.h"
#include "peers/staging/source_tag.h"
#include "peers/staging/survey.h"

namespace peerstage::peers::staging {

/// Takes files that have not changed since the peer's newest earlier day from there into the spool, instead
/// of over the line: one that has the same path, size and mtime at the source, and the sum of the peer's own
/// manifest where that names it. What is taken shares its blocks with the earlier day where the file system
/// can (ioctl_ficlonerange(2)), is copied where it cannot, and is a file of its own either way. It is hashed,
/// and only taken when it is still what the earlier day's manifest says; a file that the disk has spoiled
/// since is fetched.
///
/// In the spool a file has no name of its own before it is known to be good, so that nobody continues it.
class Reuse {
 public:
  /// All references have to outlive it. `place.before()` must be there.
  Reuse(const PeerPlace& place, const Directory& spool, const FileModes& modes, Durability durability);

  /// What the file is, which is in the spool under this name then. Absent: it has to be fetched.
  std::optional<SourceTag> take(const SourceFile& file, const std::string& spooled,
                                const std::optional<Manifest>& peers_manifest) const;

 private:
  bool copy(int source, const SourceFile& file, const SourceTag& tag) const;
  bool finish(int copy, const SourceFile& file, const SourceTag& tag) const;

  const PeerPlace& place_;
  const Directory& spool_;
  const FileModes& modes_;
  const Durability durability_;
  HeldTree held_;
};

}  // namespace peerstage::peers::staging

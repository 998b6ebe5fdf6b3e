#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "peers/observer.h"
#include "peers/staging/file_modes.h"
#include "peers/staging/file_writer.h"
#include "peers/staging/held_tree.h"
#include "peers/staging/peer_place.h"
#include "peers/staging/spool.h"

namespace peerstage::peers::staging {

/// A file of the new tree.
struct NewFile {
  std::optional<std::string> spooled;  ///< its name in the spool; absent: what the day holds is kept
  std::optional<Digest> sum;           ///< absent: not ours, so no line in the manifest
};

/// What the peer's day shall be. Keys are paths relative to it.
struct NewTree {
  std::map<std::string, mode_t> directories;
  std::map<std::string, NewFile> files;

  /// The text of its cback.sha256.
  std::string manifest() const;
};

/// Makes the tree the peer's day, in one step: builds it beside its place from the spool and from what the
/// day holds, syncs all of it, and renames it to its place (exchanges it with what is there). Then the spool
/// is removed.
///
/// Markers of other tools in the day (stored, encrypted, ...) are removed before, because what they say is
/// not true any more. Whatever fails before the rename leaves the day as it was; a crash leaves a tree that
/// clear_unfinished removes. Throws PeerError; a disk that failed to keep the data is SyncFailed.
void publish(const PeerPlace& place, const Spool& spool, const NewTree& tree,
             const std::optional<HeldTree>& held, const FileModes& modes, Durability durability,
             Observer& observer);

/// With what the names begin that trees of a publication have in a day before it is over.
inline constexpr std::string_view unpublished_prefix = "cback.peerstage";

/// The disk could not keep what was written; nothing that is in the spool can be believed.
class SyncFailed : public PeerError {
 public:
  using PeerError::PeerError;
};

/// Removes what an interrupted publication left in a day; where it was interrupted between two renames, the
/// old tree is put back first.
void clear_unfinished(const Directory& day, const std::string& peer);

}  // namespace peerstage::peers::staging

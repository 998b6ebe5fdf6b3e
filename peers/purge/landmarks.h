#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "peers/purge/purge.h"
#include "peers/purge/staged_state.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::purge {

/// One thing on the disk, by whatever path it is reached.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  auto operator<=>(const FileId&) const = default;
};
FileId id_of(const struct stat& status);

/// A collect directory, as it was before anything was removed.
struct CollectPlace {
  std::string path;
  StagedState state;
  staging::Directory directory;  ///< for looking at what is in it, not for listing
};

/// Where a directory stands among the landmarks.
struct Position {
  const CollectPlace* collect = nullptr;  ///< it is this collect directory or below it
  std::optional<unsigned> staging_depth;  ///< so many levels below the staging directory; 0: itself
  bool in_private = false;                ///< it is STAGING/.peerstage or below it
};

/// The directories that purging has to know when it meets them. They are recognised by what they are, not by
/// their paths, so that a link or another spelling in the configuration changes nothing. What does not exist
/// is no landmark.
class Landmarks {
 public:
  /// Throws PeerError when something stands there and cannot be looked at: without it, nobody may purge.
  explicit Landmarks(const PurgeOptions& options);

  /// The position of a directory that somebody configured, seen from the root of the file systems. Throws
  /// PeerError.
  Position position_of(const staging::Directory& directory) const;
  /// That of a directory inside of one whose position is known.
  Position position_below(const Position& parent, FileId directory) const;

  bool is_collect_dir(FileId directory) const { return collects_.contains(directory); }
  bool is_lasting(FileId directory) const { return lasting_.contains(directory); }
  /// Whether a run is at work in the staging directory at this moment.
  bool is_staging_at_work() const;

 private:
  std::map<FileId, CollectPlace> collects_;
  std::set<FileId> lasting_;
  std::optional<staging::Directory> staging_;
  std::optional<FileId> staging_id_, private_id_;
};

}  // namespace peerstage::peers::purge

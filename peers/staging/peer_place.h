#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "peers/staging/directory.h"
#include "peers/staging/spool.h"

namespace peerstage::peers::staging {

/// The newest earlier day of a peer.
struct StagedBefore {
  Date date;
  Directory directory;  ///< the peer's own in that day; only read
};

/// Where one peer's day goes. It holds descriptors only, so that it survives a fork and a change of user: the
/// process that makes it can open what the one that uses it could not. In a dry run what does not exist yet
/// is absent.
class PeerPlace {
 public:
  struct Parts {
    std::string peer_name;
    Date date;
    std::optional<Ownership> owner;                     ///< absent: ownership is left alone
    Directory disk;                                     ///< a directory of the staging file system
    std::optional<Directory> spools;                    ///< STAGING/.peerstage
    std::optional<Directory> day;                       ///< STAGING/YYYY/MM/DD
    std::optional<StagedBefore> before = std::nullopt;  ///< absent: there is no such day
  };
  explicit PeerPlace(Parts parts) : parts_(std::move(parts)) {}

  const std::string& peer_name() const { return parts_.peer_name; }
  Date date() const { return parts_.date; }
  const std::optional<Ownership>& owner() const { return parts_.owner; }
  const Directory& disk() const { return parts_.disk; }
  bool can_be_written() const { return parts_.spools && parts_.day; }
  const Directory& spools() const { return parts_.spools.value(); }
  const Directory& day() const { return parts_.day.value(); }

  const std::optional<StagedBefore>& before() const { return parts_.before; }

  /// The peer's own directory in the day. Absent: not staged yet. Throws PeerError, permanent, when a link or
  /// a file has its name.
  std::optional<Directory> peer_day() const {
    return parts_.day ? parts_.day->find_directory(parts_.peer_name) : std::nullopt;
  }

  /// All that it holds open.
  std::vector<int> descriptors() const {
    std::vector<int> open = directories();
    open.push_back(disk().descriptor());
    if (parts_.before) open.push_back(parts_.before->directory.descriptor());
    return open;
  }

  /// The directories below which staging works, for whoever confines the process.
  std::vector<int> directories() const {
    std::vector<int> open;
    if (parts_.spools) open.push_back(spools().descriptor());
    if (parts_.day) open.push_back(day().descriptor());
    return open;
  }

 private:
  Parts parts_;
};

}  // namespace peerstage::peers::staging

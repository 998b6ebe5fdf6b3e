#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "peers/staging/directory.h"
#include "peers/staging/spool.h"

namespace peerstage::peers::staging {

/// Where one peer's day goes. It holds descriptors only, so that it survives a fork and a change of user: the
/// process that makes it can open what the one that uses it could not. In a dry run what does not exist yet
/// is absent.
class PeerPlace {
 public:
  struct Parts {
    std::string peer_name;
    Date date;
    std::optional<Ownership> owner;   ///< absent: ownership is left alone
    Directory disk;                   ///< a directory of the staging file system
    std::optional<Directory> spools;  ///< STAGING/.peerstage
    std::optional<Directory> day;     ///< STAGING/YYYY/MM/DD
  };
  explicit PeerPlace(Parts parts) : parts_(std::move(parts)) {}

  const std::string& peer_name() const { return parts_.peer_name; }
  Date date() const { return parts_.date; }
  const std::optional<Ownership>& owner() const { return parts_.owner; }
  const Directory& disk() const { return parts_.disk; }
  bool can_be_written() const { return parts_.spools && parts_.day; }
  const Directory& spools() const { return parts_.spools.value(); }
  const Directory& day() const { return parts_.day.value(); }

  /// The peer's own directory in the day. Absent: not staged yet. Throws PeerError, permanent, when a link or
  /// a file has its name.
  std::optional<Directory> peer_day() const {
    return parts_.day ? parts_.day->find_directory(parts_.peer_name) : std::nullopt;
  }

  /// All that it holds open.
  std::vector<int> descriptors() const {
    std::vector<int> open{disk().descriptor()};
    if (parts_.spools) open.push_back(spools().descriptor());
    if (parts_.day) open.push_back(day().descriptor());
    return open;
  }

  /// The directories below which staging writes, for whoever confines the process.
  std::vector<int> writable_directories() const {
    return can_be_written() ? std::vector{spools().descriptor(), day().descriptor()} : std::vector<int>{};
  }

 private:
  Parts parts_;
};

}  // namespace peerstage::peers::staging

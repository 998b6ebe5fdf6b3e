#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/filesystem/path.hpp>

#include "peers/observer.h"
#include "peers/staging/directory.h"
#include "peers/staging/disk_space.h"
#include "peers/staging/peer_place.h"

namespace peerstage::peers::staging {

/// A dry run creates, changes and removes nothing.
enum class RunMode { real, dry_run };

/// Our own directory in the staging directory, with the lock and the unfinished transfers.
inline constexpr const char* private_name = ".peerstage";

/// Whether a run holds the lock of this staging directory. Where we may not look, one may. Changes nothing.
bool is_run_at_work(const Directory& staging_dir);

/// Where a day stands in the staging directory: "2026/11/20".
std::string day_path(Date date);

/// The staging directory, as the process that runs the show sees it. Together with what a PeerPlace is used
/// for, this is the only code that creates, renames or removes anything below it. The tree may belong to the
/// backup user while we are root, so every step goes through descriptors and follows no link.
///
///     STAGING/YYYY/MM/DD/PEER/    a peer's day
///     STAGING/.peerstage/.lock    held during a run
///     STAGING/.peerstage/PEER/    unfinished transfers, see spool.h
///
/// Failures are PeerError. One thread; not to be used after fork(2) in the child, except place() and
/// lock_descriptor().
class StagingArea {
 public:
  /// Opens it; in a real run it is created with all parents (0777 & ~umask) when missing. `owner`: who
  /// everything made below it is handed to; absent: ownership is left alone.
  static StagingArea open(const boost::filesystem::path& staging_dir, std::optional<Ownership> owner,
                          RunMode mode);

  /// False: another run holds it. The lock is the kernel's, on a file (fcntl F_OFD_SETLK) and, because a file
  /// may be removed, on the staging directory (flock). It ends when this object and every child that got its
  /// descriptor, or a place, by fork are gone. A dry run needs none and gets none.
  bool try_lock();
  /// What a child has to keep open so that the lock lasts as long as it works; -1: nothing.
  int lock_descriptor() const { return lock_.get(); }

  FreeSpace free_space() const;

  /// Removes what runs before this one left behind: half-published trees, transfers of another boot, and
  /// everything of peers that are not configured any more. Only under the lock, and only what is provably
  /// ours.
  void remove_leftovers(const std::set<std::string>& configured_peers, Observer& observer);

  /// Opens the day, in which everything else happens; in a real run its directories are made as needed, owned
  /// like the rest, and made durable.
  void open_day(Date date);

  /// Where the day of this peer goes. The name has been checked when the configuration was read.
  PeerPlace place(const std::string& peer_name) const;
  /// Does the day hold a tree of this peer that we published?
  bool has_peer(const std::string& peer_name) const;

  /// The day's own stage indicator, which tells other tools that the day may be stored. Marking is durable; a
  /// mark that is there already stays untouched.
  bool day_marked() const;
  void mark_day();
  void unmark_day();

  /// Removes directories of the day that open_day made and that nothing was put into.
  void close_day();

 private:
  StagingArea(std::optional<Ownership> owner, RunMode mode, Directory disk);

  bool try_lock_directory() const;
  const Directory& day() const;
  const Directory& private_directory() const { return private_.value(); }
  void open_private_directory();
  std::optional<Directory> find_day(Date date) const;
  void remove_leftovers_of(const std::string& peer, bool configured, Observer& observer);

  std::optional<Ownership> owner_;
  RunMode mode_;
  Directory disk_;  ///< the staging directory or, in a dry run, the nearest that exists above it
  std::optional<Directory> root_;     ///< the staging directory
  std::optional<Directory> private_;  ///< .peerstage
  Descriptor lock_;
  std::optional<Date> date_;
  std::optional<Directory> day_;
  std::vector<std::string> made_;  ///< directories of the day that we made, from the top down
};

}  // namespace peerstage::peers::staging

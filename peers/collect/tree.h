#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "config/config.h"

/// What of this machine's file system goes into an archive: the rules of Cedar Backup 3 (docs/collect.md has
/// them), walked in one place.
namespace peerstage::peers::collect {

struct TreeRules {
  /// Of whole paths; an excluded directory takes what is below it along. Absent: nothing is excluded.
  std::function<bool(const std::string& path)> excludes;
  std::string ignore_file;      ///< a directory with an entry of this name is left out; empty: no such rule
  std::int64_t link_depth = 0;  ///< so many levels down, links to directories are followed
  bool dereference = false;     ///< what such links point to is archived as well, under its own path
  /// `cedar`: exactly the files and links that Cedar Backup archives. `whole`: directories and dangling
  /// links, too; and a link that is excluded, or leads back to where it is, is not followed.
  config::ArchiveContent content = config::ArchiveContent::whole;
};

/// Something that is archived: a regular file, a link, a directory.
struct TreeEntry {
  std::string path;  ///< absolute, raw bytes, as it was walked
  struct stat status {};
  /// A link that was followed is archived as the directory that it points to.
  bool is_followed_link = false;
  /// The open directory in which it was found, for as long as it is being told of. -1: by its path.
  int directory = -1;
  /// A directory's own descriptor, likewise; -1 where it could not be opened.
  int opened = -1;
};

/// What openat(2) and its like take: a name in the directory in which the entry was found, where we have
/// that, else its whole path. Valid as long as the entry is.
struct EntryLocation {
  int directory;
  const char* name;
};
EntryLocation location_of(const TreeEntry& entry);

/// Hears of the entries in the order in which they are archived: a directory before what is in it.
class TreeReceiver {
 public:
  virtual ~TreeReceiver() = default;
  virtual void entry(const TreeEntry& entry) = 0;
  /// Left out because it is nothing that can be archived ("fifo", "socket", "device", "dangling link", ...).
  virtual void skipped(const std::string& path, const std::string& reason) = 0;
  /// Could not be looked at; the sentence names the path and is printable. The walk goes on.
  virtual void failed(const std::string& path, const std::string& sentence) = 0;
};

/// Walks a directory, `top` itself included, in the order of the directories, holding no more than the
/// directories on the way down. What is gone before it could be looked at was never there. A top that does
/// not exist or is no directory (a link to one is one) throws PeerError. What the receiver throws ends it.
/// What lies deeper than 4000 directories fails.
void walk_tree(const std::string& top, const TreeRules& rules, TreeReceiver& receiver);

/// Walks a part (see split_tree) other than the whole: `relative` is its path below the open directory `top`,
/// `path` the one by which it is told of. No link on the way is followed, so that whoever owns the tree
/// cannot lead us out of it. False: there is no such directory any more. PeerError if it cannot be opened.
bool walk_part(int top, const std::string& relative, const std::string& path, const TreeRules& rules,
               TreeReceiver& receiver);

/// The directories that get an archive of their own by `recursion_level`, each with what its archive leaves
/// to others: real directories down to so many levels, all of them (of the first 200 levels) where it is
/// negative. The last is `top` itself. Level 0: `top` alone. As in Cedar Backup, excluded directories are not
/// split; an ignore file counts for the archive of its own directory only.
struct TreePart {
  std::string top;
  std::vector<std::string> without;  ///< subdirectories that have an archive of their own
};
std::vector<TreePart> split_tree(const std::string& top, std::int64_t recursion_level,
                                 const TreeRules& rules);

/// The file name of the archive of a configured path, without the ending: "/etc/x" becomes "etc-x". Cedar's
/// rule, which is not injective.
std::string archive_name(const std::string& path);

}  // namespace peerstage::peers::collect

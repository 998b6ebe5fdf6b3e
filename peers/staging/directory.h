#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <sys/types.h>

#include "peers/descriptor.h"
#include "peers/failure.h"

namespace peerstage::peers::staging {

/// Who staged things belong to.
struct Ownership {
  uid_t uid;
  gid_t gid;
};

/// An open directory. Everything happens relative to its descriptor and follows no symbolic link, so that
/// whoever owns the tree around it can swap what he likes and wins nothing.
///
/// A name is one component. A name with a slash, "." and ".." are refused (std::invalid_argument): whoever
/// calls has checked it already. Failures of the system are PeerError with the whole path in the sentence.
class Directory {
 public:
  /// `path` is for messages only.
  Directory(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}
  /// Opens a path that a person configured, links on the way included.
  static Directory open(const std::string& path);

  int descriptor() const { return descriptor_.get(); }
  const std::string& path() const { return path_; }
  /// The path of an entry, escaped, for messages.
  std::string shown(const std::string& name) const;
  Directory duplicate() const;

  struct stat status() const;
  /// The entry itself, not what a link points to. Absent: there is none.
  std::optional<struct stat> find(const std::string& name) const;
  /// All names but "." and "..", in no order.
  std::vector<std::string> list() const;
  bool empty() const;

  Directory open_directory(const std::string& name) const;
  /// Absent: there is no such entry. An entry that is no directory is an error.
  std::optional<Directory> find_directory(const std::string& name) const;
  /// A directory further below, by a path of checked names; "" is this one.
  Directory open_below(const std::string& path) const;
  /// Makes a directory that must not exist and opens it. `mode` is subject to the umask.
  Directory make_directory(const std::string& name, mode_t mode) const;
  /// Opens an existing file, for reading without a change of its access time where we may. None, with errno
  /// set, when it cannot or when it is no regular file (ENOTSUP).
  Descriptor open_file(const std::string& name, int flags) const;
  /// Creates a file that must not exist. None, with errno set, when it cannot. `mode` is subject to the
  /// umask.
  Descriptor create_file(const std::string& name, mode_t mode) const;

  /// False: there was none.
  bool unlink(const std::string& name) const;
  /// False: it is not empty, or there is none.
  bool remove_directory(const std::string& name) const;
  /// Removes a directory with all that is in it, but nothing on another file system. Nothing happens when
  /// there is none.
  void remove_tree(const std::string& name) const;

  /// Makes the entries durable. File systems that have no such thing (EINVAL) are believed to need none.
  void sync() const;

 private:
  PeerError error(const char* tried, const std::string& name) const;

  Descriptor descriptor_;
  std::string path_;
};

/// An entry of a directory: what rename and link work on.
struct Place {
  const Directory& directory;
  const std::string& name;
};

/// Renames; what stands at the destination is never replaced (an error then).
void rename_new(const Place& from, const Place& to);
/// Swaps two entries in one step. False: this file system cannot.
bool exchange(const Place& first, const Place& second);
/// A second name for a file. False, with errno set: not possible.
bool link_file(const Place& from, const Place& to);

/// Sees to it that what the descriptor means belongs to the owner; nothing happens when it does already.
/// `shown` names it in the error.
void give_to(const std::optional<Ownership>& owner, int descriptor, const std::string& shown);

}  // namespace peerstage::peers::staging

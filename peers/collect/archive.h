#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "peers/collect/tree.h"
#include "peers/staging/directory.h"
#include "peers/staging/hash.h"

namespace peerstage::peers::collect {

/// SHA-1 of a file's content: what Cedar Backup's digests hold.
using ContentSum = std::array<std::uint8_t, 20>;

/// What became of one entry.
struct Archived {
  enum class Outcome {
    whole,
    changed,  ///< it changed, grew or shrank while it was read; the archive holds a consistent member all the
              ///< same: of the size that was announced, cut off or filled with zeros
    vanished,   ///< it is not in the archive, and not where it was found any more
    unreadable  ///< it is not in the archive, or with zeros for what could not be read
  };
  Outcome outcome = Outcome::whole;
  std::string sentence;           ///< printable; of all that is not whole
  std::optional<ContentSum> sum;  ///< of the bytes that were archived, if it was asked for; of regular files
};

/// An archive on its way into a directory: nothing of that name is touched before `commit`. Members are named
/// by their absolute path without the leading slash. Not committed: nothing is left. PeerError for what the
/// directory or the disk refuses.
///
/// `ArchiveContent::cedar`: GNU format with whole seconds, regular files and links only; a directory is taken
/// and not written. `whole`: pax format with nanoseconds, directories, extended attributes, ACLs and holes.
/// Both can be read by GNU tar and Python's tarfile.
class Archive {
 public:
  struct Options {
    config::ArchiveMode mode = config::ArchiveMode::tar;
    config::ArchiveContent content = config::ArchiveContent::whole;
    std::optional<staging::Ownership> owner;  ///< absent: ours
    mode_t permissions = 0640;
    bool sum_contents = false;  ///< Archived::sum is wanted
  };
  /// `where` has to outlive it. `name` has its ending (".tar.gz").
  Archive(const staging::Directory& where, std::string name, const Options& options);
  ~Archive();
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  /// Hard links within one archive are kept, unless the file changed between two of its names: then the
  /// archive holds both contents. Never throws for what is wrong with the entry.
  Archived add(const TreeEntry& entry);
  /// No member was written so far.
  bool empty() const;

  struct Committed {
    std::string name;
    std::uint64_t size = 0;
    staging::Digest sum;  ///< SHA-256 of the archive, for cback.sha256
    std::uint64_t entries = 0;
  };
  /// Makes it durable, then gives it its name, replacing what had it.
  Committed commit();

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

/// ".tar", ".tar.gz", ".tar.bz2" or ".tar.zst".
const char* archive_ending(config::ArchiveMode mode);

/// Removes what interrupted archives have left in a directory. They leave something only where the file
/// system knows no files without a name, or between two steps of a commit.
void remove_unfinished_archives(const staging::Directory& where);

/// The content sum of a file as it is now, where it was found. Throws PeerError.
ContentSum sum_of_file(const TreeEntry& entry);
ContentSum sum_of_file(const std::string& path);

}  // namespace peerstage::peers::collect

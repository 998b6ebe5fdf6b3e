#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "peers/collect/archive.h"
#include "peers/collect/sealed_text.h"
#include "peers/staging/directory.h"

/// What an incremental collect compares with: which files are known to be staged, with which contents. One
/// digest an archive; docs/collect.md describes the file.
namespace peerstage::peers::collect {

/// What tells, without reading it, that a file is the one that was read: any change of its content gives it
/// another time of change (ctime), which nobody can set.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified = 0, changed = 0;  ///< ns since the epoch
  std::uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;

  static FileStamp of(const struct stat& status);
};

/// Who may do what with it: chmod(2) and chown(2) leave the content alone.
struct Rights {
  std::uint32_t mode = 0;  ///< the bits of 07777
  std::uint32_t uid = 0, gid = 0;
  bool operator==(const Rights&) const = default;

  static Rights of(const struct stat& status);
};

/// One file or directory of a digest. A digest of Cedar Backup knows the sums alone.
struct DigestEntry {
  enum class Kind : std::uint8_t { file, directory };
  Kind kind = Kind::file;
  ContentSum sum{};                     ///< of files
  std::optional<Rights> rights = {};    ///< absent: not known
  std::optional<FileStamp> stamp = {};  ///< absent: has to be read to know whether it changed
  std::int64_t modified = 0;            ///< of directories, in ns since the epoch
};

/// Whether a stamp is worth keeping: a file that changed just before it was read may change again without
/// another time of change, for the clock of file systems ticks slowly, and what is written through a mapping
/// shows only once the page was written back. `now` was taken before it was read.
bool is_settled(const FileStamp& stamp, std::chrono::system_clock::time_point now,
                std::chrono::seconds settle_time);

/// The entries of a digest in memory, about a hundred bytes each whatever the length of their paths: they are
/// known by 128 bits of the SHA-256 of the path.
class Digest {
 public:
  void add(std::string_view path, const DigestEntry& entry);
  /// To be called once after the last `add`.
  void index();
  /// Null: it does not know it.
  const DigestEntry* find(std::string_view path) const;
  bool empty() const { return records_.empty(); }
  std::size_t size() const { return records_.size(); }

 private:
  using Key = std::array<std::uint8_t, 16>;
  struct Record {
    Key key{};
    DigestEntry entry;
  };
  static Key key_of(std::string_view path);

  std::vector<Record> records_;
};

/// Names in the working directory, of the archive without its ending.
std::string confirmed_digest_name(const std::string& archive);
std::string pending_digest_name(const std::string& archive);
std::string waiting_digest_name(const std::string& archive);
/// The archive that a file in the working directory is the confirmed digest of. Absent: it is none.
std::optional<std::string> archive_of_confirmed_digest(const std::string& file);

/// Absent: there is no such file. PeerError for one that is broken.
std::optional<Digest> read_digest(const staging::Directory& working, const std::string& name);
/// Which collect has written it (see CollectState::id), by the beginning of the file alone. Empty: nobody can
/// tell.
std::string collect_of_digest(const staging::Directory& working, const std::string& name);

/// A pending digest that is being written. See SealedWriter.
class DigestWriter {
 public:
  DigestWriter(const staging::Directory& working, const std::string& archive,
               const std::optional<staging::Ownership>& owner, const std::string& collect_id);

  void add(std::string_view path, const DigestEntry& entry);
  void commit() { writer_.commit(); }

 private:
  SealedWriter writer_;
};

}  // namespace peerstage::peers::collect

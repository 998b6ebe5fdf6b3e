#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/units.h"
#include "peers/connection.h"
#include "peers/observer.h"
#include "peers/staging/bandwidth_limit.h"
#include "peers/staging/file_modes.h"
#include "peers/staging/file_writer.h"
#include "peers/staging/peer_place.h"
#include "peers/staging/spool.h"
#include "peers/staging/survey.h"

namespace peerstage::peers::staging {

/// How far the transfer of a peer is; tells the observer, but not more often than a person can see.
class Progress {
 public:
  explicit Progress(Observer& observer) : observer_(observer) {}
  void plan(std::uint64_t files, std::uint64_t bytes);
  void add_bytes(std::uint64_t bytes);
  void add_file();
  void tell();
  void tell_if_due();

 private:
  Observer& observer_;
  std::uint64_t planned_files_ = 0, planned_bytes_ = 0;
  std::uint64_t files_ = 0, bytes_ = 0;
  std::chrono::steady_clock::time_point told_{};
};

/// A file to be fetched.
struct WantedFile {
  const SourceFile* source;
  std::string spooled;        ///< its name in the spool
  std::uint64_t present = 0;  ///< bytes of it that the spool has already
};

/// What the fetching of many files needs besides them.
struct FetchContext {
  Connection& connection;
  const std::string& collect_dir;
  const Spool& spool;
  const PeerPlace& place;
  const FileModes& modes;
  const config::MinimumFree& minimum_free;
  Durability durability;
  Throttle& throttle;
  Progress& progress;
};

/// What became of them, by their names in the spool.
struct FetchResult {
  std::map<std::string, Digest> sums;  ///< complete in the spool
  std::set<std::string> continued;     ///< of these: an earlier run had fetched a part, or all of it
  std::uint64_t reused = 0;            ///< of these: an earlier run had fetched all of it
  std::vector<std::string> doubtful;   ///< paths of files that must be fetched once more; discarded
  std::string doubt;                   ///< why, of the first one
  std::uint64_t failed = 0;            ///< files that could not be read at the peer
  std::optional<Failure> first_failure;
};

/// Fetches files into the spool, continuing what an earlier run left there. One that cannot be read does not
/// stop the others. A file whose mtime is so fresh that a change would not show in it is read twice, the
/// second time when changes would show, and must be the same.
///
/// Throws PeerError when nothing can go on: the line broke, the disk is full or falls below the minimum that
/// must stay free.
FetchResult fetch_files(const FetchContext& context, const std::vector<WantedFile>& files);

/// The content of one file of at most `limit` bytes, in memory.
std::string fetch_text(Connection& connection, const std::string& path, std::uint64_t size,
                       std::uint64_t limit);

}  // namespace peerstage::peers::staging

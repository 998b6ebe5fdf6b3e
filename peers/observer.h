#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "peers/staging/hash.h"

namespace peerstage::peers {

enum class EventLevel { debug, info, warning, error };

/// A file that stands in a peer's day and came from the peer.
struct StagedFile {
  const std::string& path;  ///< relative to the peer's day, raw bytes
  std::uint64_t size;
  const staging::Digest& sum;
  std::chrono::nanoseconds modified;                      ///< at the source, since the epoch; 0: not known
  std::optional<std::chrono::year_month_day> fetched_on;  ///< an earlier day, from which it was taken
};

/// What happens while a peer is worked on, for people who watch. Called from the thread that does the work;
/// must not block for long and must not throw.
class Observer {
 public:
  virtual ~Observer() = default;
  /// The size of the work is known: what has to be fetched (not what stands already).
  virtual void planned(std::uint64_t files, std::uint64_t bytes) = 0;
  /// So much of it has arrived: totals, not differences.
  virtual void progress(std::uint64_t files, std::uint64_t bytes) = 0;
  /// An entry of the collect directory that is left out, e.g. ("a/sock", "socket"). The name is raw bytes.
  virtual void skipped(const std::string& name, const std::string& reason) = 0;
  /// One file of the peer's day, after a tree that changed it was published; then every file of it is told.
  virtual void file(const StagedFile& /*file*/) {}
  /// Something worth a line in the log. Printable text.
  virtual void event(EventLevel level, const std::string& text) = 0;
};

}  // namespace peerstage::peers

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "peers/connection.h"
#include "peers/failure.h"

namespace peerstage::peers {

inline constexpr const char* collect_indicator = "cback.collect";
inline constexpr const char* stage_indicator = "cback.stage";
inline constexpr const char* manifest_name = "cback.sha256";

class Observer;

/// An entry of the collect directory that was left out.
struct SkippedEntry {
  std::string name;    ///< relative to the collect directory, raw bytes
  std::string reason;  ///< "symlink", "fifo", "socket", "device", "unknown type" or "directory"
  bool operator==(const SkippedEntry&) const = default;
};

/// What stands in the peer's day after staging.
struct StagedTree {
  bool changed = false;     ///< false: the day held all of it already, nothing was written
  std::uint64_t files = 0;  ///< regular files that came from the peer, our manifest not counted
  std::uint64_t bytes = 0;
  std::uint64_t reused_files = 0;  ///< of `files`: not fetched by this run
  std::vector<SkippedEntry> skipped;
};

/// Success, or the one failure that ended it.
template <typename Value>
using Outcome = std::variant<Value, Failure>;
struct Done {};

/// Whether a managed action is told to do a full backup.
enum class ManagedMode { normal, full };

namespace staging {
class PeerPlace;
}

/// One machine of the pool, with the collect directory that it has. Everything blocks, within the deadlines
/// of the peer's settings; nothing throws, a failure is a value whose sentence names the peer's thing that
/// failed. Not for several threads.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual const std::string& name() const = 0;

  /// Is the peer ready to be staged? Only a regular file counts, a link to one does not. A missing file or a
  /// missing collect directory is a failure of the kind not_ready.
  virtual Outcome<Done> check_collect_indicator(const std::string& indicator = collect_indicator) = 0;

  /// Brings the collect directory into the place, checked, durable and published by one rename; see
  /// staging/stage.h.
  virtual Outcome<StagedTree> stage(staging::PeerPlace& place, Observer& observer) = 0;

  /// Marks the collect directory as staged. Only to be called for data that would survive a power cut.
  virtual Outcome<Done> write_stage_indicator(const std::string& indicator = stage_indicator) = 0;

  /// Runs a command on the peer's machine.
  virtual Outcome<CommandResult> run(const Command& command) = 0;

  /// Runs `CBACK ACTION` or `CBACK --full ACTION` by the peer's shell, byte for byte what a Cedar Backup
  /// master sends, so that forced commands written for it match. Everything of `terms` counts but its words.
  virtual Outcome<CommandResult> run_managed_action(const std::string& action, ManagedMode mode,
                                                    Command terms) = 0;

  /// What is worth a line in the log since the last call; see Connection::take_notes.
  virtual std::vector<std::string> take_notes() = 0;
};

}  // namespace peerstage::peers

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "peers/staging/directory.h"

namespace peerstage::peers::staging {

/// Something in a peer's day that is not as it was staged.
struct DayProblem {
  enum class Kind {
    damaged,     ///< other content than its sum says, or no file any more
    missing,     ///< the manifest names it, and it is not there
    unreadable,  ///< the disk or the permissions did not let us read it
    extra,       ///< somebody put it there; nothing is known of it
    no_manifest,
    bad_manifest  ///< it cannot be read or understood
  };
  Kind kind = Kind::damaged;
  std::string name;     ///< relative to the day, raw bytes; empty: the day as a whole
  std::string message;  ///< one printable sentence
  bool operator==(const DayProblem&) const = default;
};
const char* to_string(DayProblem::Kind kind);

/// What was found in the day of one peer.
struct ExaminedDay {
  std::uint64_t files = 0, bytes = 0;  ///< that were read to their end
  std::vector<DayProblem> problems;    ///< in the order of the names

  /// Anything but extra entries.
  bool is_damaged() const;
};

/// Reads the day of a peer again, from the disk rather than from memory where the kernel lets us, and
/// compares it with its manifest. Changes nothing, access times included where we may. The tree may belong to
/// somebody who wishes us ill: links are not followed, and FIFOs and devices not read.
///
/// A day that is replaced meanwhile by a run is looked at again. Absent: it is gone. `bytes_read` grows while
/// files are read. Blocks; uses `threads` threads; may itself be called from several.
std::optional<ExaminedDay> examine(const Directory& day, const std::string& peer, std::size_t threads,
                                   std::atomic<std::uint64_t>& bytes_read);

}  // namespace peerstage::peers::staging

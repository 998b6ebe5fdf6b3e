#pragma once

#include <chrono>
#include <cstddef>

namespace peerstage::peers::sftp {

/// How much may be on its way at once.
struct Pace {
  std::size_t bytes = 0;         ///< of file content: asked for and not yet delivered
  std::size_t files = 0;         ///< open, or about to be
  std::size_t listings = 0;      ///< READDIRs and LSTATs
  std::size_t receive_size = 0;  ///< see Transport::receive
  bool operator==(const Pace&) const = default;
};

/// The pace for a line with this round trip: small on a fast line, where the data shall stay in the
/// processor's cache, and on a slow one as much as fills it at a gigabyte a second, within what a worker may
/// use of memory.
Pace pace_for(std::chrono::steady_clock::duration round_trip);

}  // namespace peerstage::peers::sftp

#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

#include "config/units.h"

namespace peerstage::peers::staging {

/// Which mode staged things get. Bits above 0777 never survive.
struct FileModes {
  std::optional<config::FileMode> permissions;  ///< absent: the source's bits
  mode_t umask = 022;

  mode_t file(std::uint32_t source_bits) const {
    return permissions ? permissions->bits & 0777U : source_bits & 0777U & ~umask;
  }
  /// A subdirectory: with configured permissions, whoever may read may search. We can always get in
  /// ourselves.
  mode_t directory(std::uint32_t source_bits) const {
    if (!permissions) return (source_bits & 0777U & ~umask) | 0700U;
    const mode_t bits = permissions->bits & 0777U;
    return bits | ((bits & 0444U) >> 2U) | 0700U;
  }
  /// The peer's own directory in the day, as Cedar Backup makes it.
  mode_t top() const { return (0777U & ~umask) | 0700U; }
  /// Our manifest. It names what is in private subdirectories, too, so it is not for everybody.
  mode_t manifest() const { return permissions ? permissions->bits & 0777U : 0640U & ~umask; }
};

}  // namespace peerstage::peers::staging

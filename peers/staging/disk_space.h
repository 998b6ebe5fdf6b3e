#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/stage_plan.h"

namespace peerstage::peers::staging {

/// What a file system has for ordinary users. `total_files` is 0 where inodes are not counted.
struct FreeSpace {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_files = 0;
  std::uint64_t total_files = 0;
  std::uint64_t block_size = 4096;
};

/// What is about to be written.
struct SpaceNeeded {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
};

/// Of the file system that the descriptor is on. Throws PeerError.
FreeSpace free_space_of(int descriptor);

/// Why it does not fit, as the end of a sentence; absent: it fits and leaves the minimum free.
std::optional<std::string> lack_of_space(const FreeSpace& space, const SpaceNeeded& needed,
                                         const config::MinimumFree& minimum);

}  // namespace peerstage::peers::staging

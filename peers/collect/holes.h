#pragma once

#include <cstdint>
#include <vector>

#include <sys/stat.h>

namespace peerstage::peers::collect {

/// A piece of a file, in bytes.
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// Where the data of a file with holes is, in order; a file that is one hole has an empty extent at its
/// beginning. Empty: it has no holes worth a map, or too many for one.
std::vector<Extent> data_with_holes(int file, const struct stat& status);

}  // namespace peerstage::peers::collect

#include "peers/collect/holes.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace peerstage::peers::collect {
namespace {

constexpr off_t worth_it = 64 << 10;
constexpr std::size_t most_extents = 65536;
constexpr off_t bytes_a_block = 512;  // of st_blocks, whatever the file system's are

}  // namespace

std::vector<Extent> data_with_holes(int file, const struct stat& status) {
  const off_t size = status.st_size;
  if (size < worth_it || static_cast<off_t>(status.st_blocks) * bytes_a_block >= size) return {};
  std::vector<Extent> data;
  off_t at = 0;
  while (at < size) {
    const off_t start = ::lseek(file, at, SEEK_DATA);
    if (start < 0 && errno != ENXIO) return {};
    if (start < 0 || start >= size) break;
    off_t end = ::lseek(file, start, SEEK_HOLE);
    if (end <= start) return {};
    end = std::min(end, size);  // it may have grown since
    data.push_back({static_cast<std::uint64_t>(start), static_cast<std::uint64_t>(end - start)});
    if (data.size() > most_extents) return {};
    at = end;
  }
  if (data.empty()) return {{0, 0}};
  const bool is_full =
      data.size() == 1 && data.front().offset == 0 && data.front().size == static_cast<std::uint64_t>(size);
  return is_full ? std::vector<Extent>{} : data;
}

}  // namespace peerstage::peers::collect

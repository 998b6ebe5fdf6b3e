#include "peers/staging/disk_space.h"

#include <cerrno>

#include <sys/statvfs.h>

#include "peers/failure.h"

namespace peerstage::peers::staging {
namespace {

std::uint64_t percent_of(double percent, std::uint64_t total) {
  return static_cast<std::uint64_t>(static_cast<double>(total) * percent / 100.0);
}

/// Would taking `needed` leave less than `reserve`? Written so that nothing overflows.
bool too_much(std::uint64_t free, std::uint64_t needed, std::uint64_t reserve) {
  return free < reserve || free - reserve < needed;
}

std::string sentence(const char* unit, std::uint64_t free, std::uint64_t needed, std::uint64_t reserve) {
  return std::to_string(needed) + " " + unit + " are needed, " + std::to_string(free) + " are free and " +
         std::to_string(reserve) + " have to stay free";
}

}  // namespace

FreeSpace free_space_of(int descriptor) {
  struct statvfs status {};
  if (::fstatvfs(descriptor, &status) != 0)
    throw system_error("cannot ask for the free space of the staging directory", errno);
  return {status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize, status.f_favail,
          status.f_files, status.f_frsize};
}

std::optional<std::string> lack_of_space(const FreeSpace& space, const SpaceNeeded& needed,
                                         const config::MinimumFree& minimum) {
  const auto* percent = std::get_if<double>(&minimum);
  const std::uint64_t byte_reserve = percent != nullptr ? percent_of(*percent, space.total_bytes)
                                                        : std::get<config::ByteCount>(minimum).bytes;
  const std::uint64_t file_reserve = percent != nullptr ? percent_of(*percent, space.total_files) : 0;
  if (too_much(space.free_bytes, needed.bytes, byte_reserve)) {
    return sentence("bytes", space.free_bytes, needed.bytes, byte_reserve);
  }
  if (space.total_files > 0 && too_much(space.free_files, needed.files, file_reserve)) {
    return sentence("inodes", space.free_files, needed.files, file_reserve);
  }
  return std::nullopt;
}

}  // namespace peerstage::peers::staging

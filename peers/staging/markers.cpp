#include "peers/staging/markers.h"

#include <algorithm>

namespace peerstage::peers::staging {
namespace {

/// A file system may hold times that ns since the epoch do not; they stay as far away as can be.
std::int64_t since_epoch(const timespec& time) {
  constexpr std::int64_t furthest = 9'000'000'000;
  const std::int64_t seconds = std::clamp(std::int64_t{time.tv_sec}, -furthest, furthest);
  return seconds * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Marker marker_of(const struct stat& status) {
  return {since_epoch(status.st_mtim), since_epoch(status.st_ctim), status.st_ino};
}

std::optional<Marker> find_marker(const Directory& collect_dir, const std::string& name) {
  const auto status = collect_dir.find(name);
  if (!status || !S_ISREG(status->st_mode)) return std::nullopt;
  return marker_of(*status);
}

bool says_staged(const std::optional<Marker>& stage, std::int64_t complete_at) {
  return stage && stage->written() > complete_at;
}

}  // namespace peerstage::peers::staging

#include "peers/purge/age.h"

#include <algorithm>

namespace peerstage::peers::purge {

bool is_later(const timespec& left, const timespec& right) {
  return left.tv_sec != right.tv_sec ? left.tv_sec > right.tv_sec : left.tv_nsec > right.tv_nsec;
}

std::int64_t age_in_days(const timespec& then, const timespec& now) {
  constexpr std::int64_t seconds_of_a_day = 86'400;
  // A file system may hold any time; nobody needs one so early that the difference overflows.
  constexpr std::int64_t long_ago = -(std::int64_t{1} << 60U);
  if (!is_later(now, then)) return 0;
  std::int64_t seconds = now.tv_sec - std::max<std::int64_t>(then.tv_sec, long_ago);
  if (now.tv_nsec < then.tv_nsec) --seconds;
  return seconds / seconds_of_a_day;
}

timespec last_used(const struct stat& status) {
  return is_later(status.st_atim, status.st_mtim) ? status.st_atim : status.st_mtim;
}

}  // namespace peerstage::peers::purge

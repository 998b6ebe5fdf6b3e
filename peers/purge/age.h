#pragma once

#include <cstdint>
#include <ctime>

#include <sys/stat.h>

/// How old something is, as Cedar Backup counts it: in whole days of 24 hours, whatever the calendar says.
namespace peerstage::peers::purge {

/// Whether `left` comes after `right`.
bool is_later(const timespec& left, const timespec& right);

/// Whole days from `then` to `now`; 0 when `then` lies ahead.
std::int64_t age_in_days(const timespec& then, const timespec& now);

/// When something that is no directory was used last: read or written, whichever came later. The time of the
/// last change (ctime) plays no role.
timespec last_used(const struct stat& status);

}  // namespace peerstage::peers::purge

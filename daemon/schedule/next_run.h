#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "config/schedule.h"
#include "daemon/schedule/zone.h"

/// When a rule is due: arithmetic on the rule, the zone and a time. A slot is a moment at which it is.
///
/// Where the clocks are changed:
/// - a rule that does not name its hours (it matches all 24) goes on in real time: it is due whenever the
/// clocks
///   show a time that matches, and never when they do not;
/// - any other rule is about times of the day, each of which comes once: what the clocks leave out is due
/// when
///   they are set forward, all of it together once; what they show twice is due the first time.
/// cron(8) of Debian does the same for changes below three hours, but takes a rule for one of the first kind
/// when either its minutes or its hours begin with an asterisk.
namespace peerstage::daemon {

/// The first slot after `after`, never at it; absent: none within forty years, or the calendar ends.
std::optional<WallTime> next_run(const config::CrontabRule& rule, const Zone& zone, WallTime after);

/// Slots that have come and were not dealt with.
struct MissedSlots {
  WallTime latest;
  std::uint32_t count = 1;  ///< the latest among them; at most `most_counted_slots`
  bool operator==(const MissedSlots&) const = default;
};

constexpr std::uint32_t most_counted_slots = 1'000;

/// The slots after `dealt_with` up to and with `now`; absent: none. One run for all of them, that of the
/// latest, is what catching up means.
std::optional<MissedSlots> missed_slots(const config::CrontabRule& rule, const Zone& zone,
                                        WallTime dealt_with, WallTime now);

/// How much later than its slot a run begins: `chance` of 0 to below 1 is a part of the longest delay.
std::chrono::milliseconds random_delay(std::chrono::milliseconds longest, double chance);

}  // namespace peerstage::daemon

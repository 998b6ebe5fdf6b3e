#include "daemon/schedule/not_between.h"

#include <algorithm>

namespace peerstage::daemon {
namespace {

using std::chrono::days;
using std::chrono::seconds;

constexpr seconds a_day = days(1);

/// How long until the end of a window, at this time of the day; none: not within it.
seconds rest_of(const config::TimeWindow& window, seconds time) {
  const auto since = [](seconds from, seconds to) { return (to - from + a_day) % a_day; };
  const bool is_within = since(window.begin, time) < since(window.begin, window.end);
  return is_within ? since(time, window.end) : seconds(0);
}

seconds longest_rest(const std::vector<config::TimeWindow>& windows, seconds time) {
  seconds longest(0);
  for (const config::TimeWindow& window : windows) longest = std::max(longest, rest_of(window, time));
  return longest;
}

}  // namespace

std::optional<WallTime> held_until(const std::vector<config::TimeWindow>& windows, const Zone& zone,
                                   WallTime now) {
  WallTime free = now;
  // A change of the clocks may skip what is free of a day, or a whole day, but not a week.
  while (free < now + days(7)) {
    const auto local = zone.to_local(free);
    const seconds rest = longest_rest(windows, local - std::chrono::floor<days>(local));
    if (rest == seconds(0)) break;
    free = std::min<WallTime>(std::chrono::floor<seconds>(free) + rest, zone.period_at(free).end);
  }
  return free == now ? std::nullopt : std::optional(free);
}

}  // namespace peerstage::daemon

#pragma once

#include <algorithm>

/// Policy as arithmetic: no clock, no state of its own.
namespace peerstage::daemon {

/// How many workers may be started when so many run, and so many of these are stalled. A stalled one lends
/// its place; as many as there are places may be lent, so that there are never more than twice as many
/// workers.
constexpr unsigned free_places(unsigned parallel, unsigned running, unsigned stalled) {
  const unsigned places = parallel + std::min(stalled, parallel);
  return places > running ? places - running : 0;
}

}  // namespace peerstage::daemon

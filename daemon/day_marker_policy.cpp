#include "daemon/day_marker_policy.h"

#include <algorithm>

namespace peerstage::daemon {
namespace {

bool is_complete(const PeerOfDay& peer) {
  return peer.selected ? peer.staged || peer.ignorable : peer.held;
}
bool is_missing(const PeerOfDay& peer) {
  return !peer.held && !peer.ignorable;
}

}  // namespace

MarkerStep judge_day(config::DailyIndicator policy, const std::vector<PeerOfDay>& peers) {
  using config::DailyIndicator;
  switch (policy) {
    case DailyIndicator::always:
      return MarkerStep::set;
    case DailyIndicator::any:
      return std::ranges::any_of(peers, &PeerOfDay::held) ? MarkerStep::set : MarkerStep::leave;
    case DailyIndicator::complete:
      break;
  }
  if (std::ranges::all_of(peers, is_complete)) return MarkerStep::set;
  return std::ranges::any_of(peers, is_missing) ? MarkerStep::remove : MarkerStep::leave;
}

}  // namespace peerstage::daemon

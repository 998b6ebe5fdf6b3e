#include "daemon/service/occasion.h"

#include <algorithm>
#include <utility>

namespace peerstage::daemon {

using config::NotifyOn;

Standing standing_after(Standing before, RunStatus status) {
  switch (status) {
    case RunStatus::ok:
      return Standing::good;
    case RunStatus::interrupted:
      return before;
    case RunStatus::failed:
    case RunStatus::not_ready:
    case RunStatus::error:
      break;
  }
  return Standing::bad;
}

NotifyOn occasion(Standing before, RunStatus status) {
  if (status == RunStatus::interrupted) return NotifyOn::always;
  if (standing_after(before, status) == Standing::bad) return NotifyOn::failure;
  return before == Standing::bad ? NotifyOn::recovery : NotifyOn::always;
}

bool is_told(const std::vector<NotifyOn>& wanted, NotifyOn occasion) {
  const auto has = [&wanted](NotifyOn one) { return std::ranges::find(wanted, one) != wanted.end(); };
  return has(occasion) || (occasion != NotifyOn::stale && has(NotifyOn::always));
}

const char* to_string(NotifyOn occasion) {
  switch (occasion) {
    case NotifyOn::failure:
      return "failure";
    case NotifyOn::recovery:
      return "recovery";
    case NotifyOn::always:
      return "always";
    case NotifyOn::stale:
      break;
  }
  return "stale";
}

NotifyOn Occasions::run_ended(const std::string& job, RunStatus status) {
  Standing& standing = standings_.try_emplace(job, Standing::good).first->second;
  return occasion(std::exchange(standing, standing_after(standing, status)), status);
}

std::vector<StalePeer> Occasions::newly_stale(const std::vector<StalePeer>& stale) {
  std::vector<StalePeer> news;
  std::set<std::string> now;
  for (const StalePeer& peer : stale) {
    if (!stale_.contains(peer.name)) news.push_back(peer);
    now.insert(peer.name);
  }
  stale_ = std::move(now);
  return news;
}

}  // namespace peerstage::daemon

#include "daemon/schedule/zone.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/schedule/zone_rules.h"

namespace peerstage::daemon {
namespace {

using std::chrono::hours;
using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

// No clocks are further from UTC, RFC 9636 section 3.2.
constexpr auto furthest_from_utc = hours(26);

// Beyond this, both ways, a WallTime of nanoseconds has no room for an offset.
constexpr sys_seconds earliest = std::chrono::sys_days(std::chrono::year(1678) / 1 / 1);
constexpr sys_seconds latest = std::chrono::sys_days(std::chrono::year(2262) / 1 / 1);

WallTime wall(sys_seconds when) {
  if (when >= latest) return WallTime::max();
  return std::max(when, earliest);
}

sys_seconds within_calendar(WallTime when) {
  return std::clamp(std::chrono::floor<seconds>(when), earliest, latest);
}

}  // namespace

Zone::Zone(std::string name, std::shared_ptr<const Rules> rules)
    : name_(std::move(name)), rules_(std::move(rules)) {}

Zone::Zone() : Zone("UTC", utc_rules()) {}

Zone Zone::named(const std::string& name) {
  return {name, rules_of_database(name)};
}

Zone Zone::described(const std::string& text) {
  return {text, rules_of_description(text)};
}

Zone::Period Zone::period_at(WallTime when) const {
  const Rules::Period period = rules_->period_at(within_calendar(when));
  return {period.offset, period.abbreviation, wall(period.end)};
}

local_seconds Zone::to_local(WallTime when) const {
  const sys_seconds second = within_calendar(when);
  return local_seconds(second.time_since_epoch() + rules_->period_at(second).offset);
}

Zone::Moments Zone::to_wall(local_seconds local) const {
  const sys_seconds about(local.time_since_epoch());
  Rules::Period period = rules_->period_at(about - furthest_from_utc);
  std::vector<WallTime> moments;
  while (true) {
    const sys_seconds moment = about - period.offset;
    if (moment >= period.begin && moment < period.end) moments.push_back(wall(moment));
    if (period.end > about + furthest_from_utc) break;
    const Rules::Period next = rules_->period_at(period.end);
    const bool is_left_out = moment >= period.end && about - next.offset < next.begin;
    if (is_left_out && moments.empty()) return {Moments::Kind::never, wall(next.begin), wall(next.begin)};
    period = next;
  }
  if (moments.empty()) return {};
  return {moments.size() > 1 ? Moments::Kind::twice : Moments::Kind::once, moments.front(), moments.back()};
}

}  // namespace peerstage::daemon

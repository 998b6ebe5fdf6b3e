#include "daemon/schedule/zone_rules.h"

#include <algorithm>
#include <date/tz.h>
#include <utility>

#include "daemon/schedule/zone_file.h"

namespace peerstage::daemon {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

Zone::Rules::Period period_of(const date::sys_info& info) {
  return {info.begin, info.end, info.offset, info.abbrev};
}

class Utc final : public Zone::Rules {
 public:
  Period period_at(sys_seconds) const override {
    return {sys_seconds::min(), sys_seconds::max(), seconds(0), "UTC"};
  }
};

/// The table of a zone, which the library keeps for as long as the process lives, and how it goes on: the
/// tables of the database end in 2037 or earlier, and the library knows only them.
class OfDatabase final : public Zone::Rules {
 public:
  OfDatabase(const date::time_zone& table, std::shared_ptr<const Zone::Rules> afterwards)
      : table_(table), afterwards_(std::move(afterwards)) {}

  Period period_at(sys_seconds when) const override {
    Period last = period_of(table_.get_info(when));
    const bool goes_on = afterwards_ != nullptr && last.end > last_of_tables;
    if (!goes_on) return last;
    Period period = afterwards_->period_at(when);
    period.begin = std::max(period.begin, last.begin);
    return period;
  }

 private:
  static constexpr sys_seconds last_of_tables = std::chrono::sys_days(std::chrono::year(3000) / 1 / 1);

  const date::time_zone& table_;
  std::shared_ptr<const Zone::Rules> afterwards_;
};

std::shared_ptr<const Zone::Rules> rules_behind_table(const std::string& name) {
  const auto line = last_line_of_zone_file(zone_file_content(zone_database + "/" + name));
  return line ? rules_of_description(*line) : nullptr;
}

}  // namespace

std::shared_ptr<const Zone::Rules> utc_rules() {
  return std::make_shared<Utc>();
}

std::shared_ptr<const Zone::Rules> rules_of_database(const std::string& name) {
  return std::make_shared<OfDatabase>(*date::locate_zone(name), rules_behind_table(name));
}

}  // namespace peerstage::daemon

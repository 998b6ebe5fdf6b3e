#pragma once

#include <string>

#include "config/schedule.h"

namespace peerstage::config {

/// crontab(5), as Debian's cron reads it: five fields separated by blanks (minute, hour, day of the month,
/// month, day of the week), each an asterisk or a list of numbers and ranges, both with a step where there is
/// more than one number: `*/15`, `1-31/2`. Months and weekdays may be names of three letters in any case;
/// Sunday is 0 and 7. Or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually. Throws
/// BadValue naming the field, also for a rule that no day of the calendar matches.
CrontabRule as_crontab_rule(const std::string& text);

}  // namespace peerstage::config

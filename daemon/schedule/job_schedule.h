#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/schedule/zone.h"

namespace peerstage::daemon {

/// The next runs of one job.
struct JobSchedule {
  struct Run {
    WallTime slot;                       ///< when it begins at the earliest
    std::optional<WallTime> held_until;  ///< set: no transfer may start before, see not_between
  };
  config::Job job;
  std::vector<Run> runs;
};

/// The first `count` runs after `now`; fewer where there are no more.
JobSchedule schedule_of(const config::Job& job, const Zone& zone, WallTime now, unsigned count);

/// For people: job by job in the order of the configuration, as times of the zone.
std::string schedule_text(const std::vector<JobSchedule>& jobs, const MachineZone& machine, WallTime now);

/// One JSON document; docs/configuration.md describes it.
std::string schedule_json(const std::vector<JobSchedule>& jobs, const MachineZone& machine, WallTime now);

}  // namespace peerstage::daemon

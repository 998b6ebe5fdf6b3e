#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "config/load.h"
#include "config/stage_plan.h"

namespace peerstage::daemon {

/// What the daemon takes from a configuration: a value that a run keeps for as long as it goes.
struct ServiceConfig {
  std::string file;
  config::StagePlan plan;
  config::Daemon daemon;
  std::set<std::string> own_actions = {};  ///< what a job can do on this machine itself: collect, purge
};

struct ServiceConfigResult {
  std::optional<ServiceConfig> config;  ///< absent: an error is among the findings
  std::vector<config::Finding> findings;
};

/// Loads and judges a configuration for the daemon: it has to have something to stage and a `<daemon>`
/// section. Does not throw for anything that stands in the file. Blocks as long as reading it does.
ServiceConfigResult load_service_config(const std::string& path, config::StartedAs started_as);

}  // namespace peerstage::daemon

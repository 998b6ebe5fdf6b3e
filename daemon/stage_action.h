#pragma once

#include <string>

#include "config/stage_plan.h"
#include "daemon/command_line.h"
#include "daemon/log.h"
#include "daemon/report.h"
#include "daemon/screen.h"

namespace peerstage::daemon {

/// The stage action: every peer that is ready is staged into today's directory, in parallel. Logs what
/// happens, shows progress on the screen, and returns the report that everything else derives from. Blocks
/// until the run is over; does not throw.
RunReport stage_pool(const config::StagePlan& plan, const RunCommand& command, Log& log, Screen& screen);

/// The report of a stage action that could not even begin.
RunReport refused_stage(const std::string& why);

}  // namespace peerstage::daemon

#pragma once

#include "daemon/service/page.h"
#include "daemon/service/state.h"

/// The parts of `status` above the table of peers.
namespace peerstage::daemon {

/// How the daemon is, and what is wrong with it.
void write_headline(Page& page, const ServiceState& state);
/// The run that is going on, and those that wait.
void write_runs(Page& page, const ServiceState& state);
/// The jobs with their next run.
void write_jobs(Page& page, const ServiceState& state);

}  // namespace peerstage::daemon

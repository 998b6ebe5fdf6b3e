#pragma once

#include <chrono>

#include "config/stage_plan.h"
#include "daemon/catalog/catalog.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// What becomes of a run that the daemon, when it starts, finds without an end.
enum class Resumption {
  go_on,        ///< its day is today: the peers that are not done are done, under its id
  begin_again,  ///< its day is over: it is closed, and a new run makes up for it
  close,        ///< its day is over, and nothing is to be made up for
  leave         ///< it is not the daemon's, and may be going on
};

enum class CatchUp { yes, no };

/// Policy as arithmetic. A run goes on only within its own day, since its directories bear that date and
/// peers have collected anew since. `catch_up`: what its job says, `no` for a job that is gone.
Resumption judge_unfinished(const CatalogedRun& run, const config::StagePlan& plan, CatchUp catch_up,
                            std::chrono::year_month_day today);

/// What is left to be done of a run that goes on.
StageRequest rest_of(const CatalogedRun& run, const config::StagePlan& plan);

}  // namespace peerstage::daemon

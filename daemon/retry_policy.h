#pragma once

#include <chrono>
#include <optional>

#include "config/stage_plan.h"
#include "peers/failure.h"

/// Policy as arithmetic: no clock, no randomness, no state of its own.
namespace peerstage::daemon {

enum class NextStep { give_up, retry, look_again };

/// What has happened to a peer so far in this run.
struct AttemptHistory {
  unsigned transient_failures = 0;           ///< the one to be judged included
  std::chrono::milliseconds since_start{0};  ///< since the peer was started for the first time
};

struct Decision {
  NextStep step = NextStep::give_up;
  std::chrono::milliseconds delay{0};
  bool operator==(const Decision&) const = default;
};

/// What to do after an attempt that failed. Only transient failures are retried, `retries` times, with a
/// delay that doubles each time up to 15 minutes and varies by a quarter; a peer that is not ready is looked
/// at again every `poll_interval` until `wait_for_collect` has passed. `random` is in [0, 1).
Decision decide_after_failure(const config::StagingSettings& settings, peers::FailureKind kind,
                              const AttemptHistory& history, double random);

/// Whether "not ready" is no failure today (Cedar Backup's ignore_failures: `daily` forgives on every day but
/// the starting day or a full run, `weekly` only then).
enum class DayKind { ordinary, starting_day_or_full };
bool is_ignored(config::IgnoreFailures ignore, DayKind day);

}  // namespace peerstage::daemon

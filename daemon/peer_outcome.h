#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "daemon/report.h"
#include "daemon/retry_policy.h"
#include "daemon/worker_protocol.h"

namespace peerstage::daemon {

/// What became of one peer in a run.
struct PeerOutcome {
  WorkResult result;  ///< of the last attempt; `changed` if any attempt of this run changed the peer's day
  bool cancelled = false;  ///< ended by us before it was done
  std::vector<WorkSkipped> skipped;
  std::uint64_t skipped_unlisted = 0;    ///< beyond the list's limit
  unsigned attempts = 0;                 ///< looks at a peer that was not ready yet do not count
  std::chrono::milliseconds elapsed{0};  ///< from the first start to the end
};

/// Of a peer that the run does not come to any more; `cancelled`: because it was told to end.
PeerOutcome never_done(peers::FailureKind kind, const std::string& message);

PeerReport report_of(const config::StagePeer& peer, const PeerOutcome& outcome, DayKind day);

}  // namespace peerstage::daemon

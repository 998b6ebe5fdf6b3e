#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/report.h"
#include "daemon/service/occasion.h"

namespace peerstage::daemon {

/// One thing to be told, in the forms that the different ways need.
struct Notification {
  config::NotifyOn event = config::NotifyOn::always;
  std::string run;       ///< id; empty: of no run
  std::string job;       ///< empty: of no job
  std::string status;    ///< as in the document of the run; "stale" for stale peers
  std::string subject;   ///< one line for people
  std::string document;  ///< JSON, see docs/operations.md
  std::string body;      ///< lines for people
};

/// The document is that of `stage --json` with "event", "job" (null: of none) and "host" after "version".
Notification run_notification(config::NotifyOn event, const RunReport& report, const std::string& job,
                              const std::string& host);

/// Of at least one peer. The document: {"version": 1, "event": "stale", "host": ..., "peers": [{"name",
/// "last_good", "age_seconds"}]}, the last two null for a peer that was never staged.
Notification stale_notification(const std::vector<StalePeer>& peers, const std::string& host,
                                std::chrono::system_clock::time_point now);

/// The name of this machine, printable.
std::string host_name();

}  // namespace peerstage::daemon

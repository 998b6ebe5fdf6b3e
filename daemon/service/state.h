#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/progress.h"
#include "daemon/report.h"

/// How things stand with the daemon, as plain values: what `status` shows, the control socket answers, and
/// the metrics count.
namespace peerstage::daemon {

using WallTime = std::chrono::system_clock::time_point;

/// What a peer is doing, or how it last ended.
enum class PeerCondition {
  never_staged,  ///< nothing is known of it
  good,          ///< its last run staged it, or found it unchanged
  not_ready,     ///< its last run did not find it ready
  failed,        ///< its last run failed with it
  stale,         ///< its last good stage is older than stale_after, or there is none
  waiting,       ///< a run is going on and has not come to it
  connecting,
  transferring,
  put_off,  ///< a run is going on and will look at it again
  paused    ///< a run is going on, and no transfer may start now (not_between)
};
const char* to_string(PeerCondition condition);

struct ServicePeer {
  std::string name;
  PeerType type = PeerType::local;
  std::string group;
  PeerCondition condition = PeerCondition::never_staged;
  bool stale = false;  ///< whatever it is doing now
  std::optional<WallTime> last_good;
  std::uint64_t files = 0, bytes = 0;  ///< of the last good stage
  std::chrono::milliseconds last_duration{0};
  unsigned last_attempts = 0;
  unsigned failures_since = 0;                 ///< runs since the last good one
  std::optional<PeerStatus> last_status;       ///< of the last run that had it
  std::optional<peers::Failure> last_failure;  ///< of that run
  // While a run has it:
  unsigned attempt = 0;
  Amount planned, arrived;
  std::optional<WallTime> again_at;
};

struct ServiceJob {
  std::string name;
  std::string schedule;              ///< as it was written
  std::optional<WallTime> next_run;  ///< absent: never again, or paused
  std::optional<WallTime> last_slot;
};

struct ServiceRun {
  std::string id;
  RunOrigin origin;
  std::chrono::year_month_day date{};
  WallTime started;
  std::size_t peers = 0, done = 0, failed = 0;
  Amount planned, arrived;
  unsigned interruptions = 0;
};

/// A run that has been asked for and not begun.
struct QueuedRun {
  std::string id;
  RunOrigin origin;
  std::string why_waiting;  ///< empty: only for its turn
};

struct ServiceCounters {
  std::uint64_t runs_ok = 0, runs_failed = 0, runs_not_ready = 0, runs_interrupted = 0,
                runs_error = 0;  ///< since the daemon started
  std::uint64_t slots_skipped = 0;
  std::uint64_t bytes_received = 0, files_received = 0;
};

struct ServiceState {
  std::string version;
  int pid = 0;
  WallTime now, started;
  std::string config_file;
  std::optional<std::string> config_error;  ///< of the last reload, whose file is not in force
  WallTime config_loaded;
  std::optional<std::string> catalog_error;
  bool paused = false;
  bool stopping = false;
  std::chrono::milliseconds stale_after{0};
  std::string staging_dir;
  std::optional<ServiceRun> run;  ///< that is going on
  std::vector<QueuedRun> queue;
  std::vector<ServiceJob> jobs;
  std::vector<ServicePeer> peers;  ///< in the order of the configuration
  ServiceCounters counters;
  std::uint64_t memory_bytes = 0;  ///< resident, of the daemon itself
  unsigned open_descriptors = 0;
};

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/progress.h"
#include "daemon/report.h"

/// How things stand with the daemon, as plain values: what `status` shows, the control socket answers, and
/// the metrics count. Every string in here is printable text (peers/text.h); whoever fills it sees to that.
namespace peerstage::daemon {

using WallTime = std::chrono::system_clock::time_point;

/// What a peer is doing, or how it last ended.
enum class PeerCondition {
  // No run has it:
  never_staged,  ///< no run has staged it, and none has said why not
  good,          ///< its last run staged it, or found it unchanged
  ignored,       ///< its last run did not find it ready, and did not need it
  not_ready,     ///< its last run did not find it ready
  failed,        ///< its last run failed with it
  cancelled,     ///< its last run was cut short before it was done
  stale,         ///< its last run has no complaint, but its last good stage is older than stale_after
  // A run is going on:
  waiting,  ///< and has not come to it
  connecting,
  transferring,
  put_off,  ///< and will look at it again
  paused    ///< and no transfer may start now (not_between)
};
const char* to_string(PeerCondition condition);
/// The way back; absent: no such word.
std::optional<PeerCondition> condition_named(std::string_view word);

struct ServicePeer {
  std::string name;
  PeerType type = PeerType::local;
  std::string group;
  PeerCondition condition = PeerCondition::never_staged;
  /// Whatever it is doing now: its last good stage is older than stale_after, or there has been none in all
  /// the time (at least stale_after) that the daemon has known the peer.
  bool stale = false;
  std::optional<WallTime> last_good;
  std::uint64_t files = 0, bytes = 0;  ///< of the last good stage
  // Of the last run that had it and is done with it:
  std::optional<PeerStatus> last_status;
  std::optional<peers::Failure> last_failure;
  std::chrono::milliseconds last_duration{0};
  unsigned last_attempts = 0;
  unsigned failures_since = 0;  ///< runs since the last good one in which it was not staged
  // While a run has it:
  unsigned attempt = 0;  ///< 1 is the first; 0: none yet
  Amount planned, arrived;
  std::optional<peers::Failure> put_off_because;  ///< what came of the attempt before
  std::optional<WallTime> again_at;               ///< when put off or paused
};

/// How a peer stands, whatever a run that is going on does with it: one of never_staged to stale.
PeerCondition standing(const ServicePeer& peer);

/// How old its last good stage is; not below 0 when the clock was set back. Absent: there is none.
std::optional<std::chrono::seconds> age(const ServicePeer& peer, WallTime now);

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
  std::size_t peers = 0, done = 0;
  std::size_t failed = 0, not_ready = 0;  ///< of `done`
  std::size_t unplanned = 0;              ///< peers that have not told their size: `planned` will grow
  Amount planned, arrived;                ///< what earlier attempts of this run fetched is in both
  std::optional<double> bytes_per_second;
  std::optional<WallTime> held_until;  ///< no transfer starts before that (not_between)
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
/// Counts a run that is over.
void count(ServiceCounters& counters, RunStatus status);

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

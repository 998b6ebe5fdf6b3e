#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/report.h"

/// When to tell somebody: pure policy, see `<notify>` in docs/configuration.md.
namespace peerstage::daemon {

/// How the last run of a job that came to a verdict ended.
enum class Standing {
  good,  ///< also when there was none yet
  bad
};

/// `failed`, `not_ready` and `error` are bad. An interrupted run came to no verdict: what was so before still
/// is.
Standing standing_after(Standing before, RunStatus status);

/// What a run is about: `failure` when it ended badly, `recovery` when it is the first good one after a bad
/// one of the same job, else `always`, which is no occasion in particular. Not to be asked about a run that a
/// shutdown interrupted and that will be gone on with: it is not over.
config::NotifyOn occasion(Standing before, RunStatus status);

/// Whether somebody who asked for `wanted` is told. `always` is every run, but nothing about stale peers.
bool is_told(const std::vector<config::NotifyOn>& wanted, config::NotifyOn occasion);

/// As in the configuration.
const char* to_string(config::NotifyOn occasion);

/// A peer whose last good stage is too old.
struct StalePeer {
  std::string name;
  std::optional<std::chrono::system_clock::time_point> last_good;  ///< absent: never
  bool operator==(const StalePeer&) const = default;
};

/// What was told already, over all jobs and peers.
class Occasions {
 public:
  /// What is known from before this process, for a job of which no run has ended yet.
  void remember(const std::string& job, Standing standing) { standings_[job] = standing; }
  /// A run of the job has ended. Runs of no job have the empty name.
  config::NotifyOn run_ended(const std::string& job, RunStatus status);

  /// `stale`: all peers that are stale now. Returns those that have become so since the last look; a peer
  /// that is good for one look in between is news again.
  std::vector<StalePeer> newly_stale(const std::vector<StalePeer>& stale);

 private:
  std::map<std::string, Standing> standings_;
  std::set<std::string> stale_;
};

}  // namespace peerstage::daemon

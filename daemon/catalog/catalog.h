#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/report.h"
#include "daemon/worker_protocol.h"

namespace peerstage::daemon {

/// The catalog could not be read or written; the message is one sentence that names the file.
class CatalogError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Why a run was begun.
enum class RunTrigger {
  schedule,
  catch_up,
  request,
  command_line,
  rebuilt /**< from manifests on the disk */
};
const char* to_string(RunTrigger trigger);

/// What is known of a run beside its report.
struct RunOrigin {
  std::string job;  ///< empty: of no job
  RunTrigger trigger = RunTrigger::command_line;
  std::optional<std::chrono::system_clock::time_point> slot;  ///< of the schedule, for which it was begun
  std::vector<std::string> selected;                          ///< peers that were asked for; empty: all
  bool full = false;
  bool operator==(const RunOrigin&) const = default;
};

/// Why a run stopped before its end.
struct RunInterruption {
  enum class Cause { shutdown, crash };
  std::chrono::system_clock::time_point when;  ///< of a crash: when it was noticed
  Cause cause = Cause::crash;
  bool operator==(const RunInterruption&) const = default;
};
const char* to_string(RunInterruption::Cause cause);

struct CatalogedRun {
  RunReport report;  ///< while it is not over: peers that are done, and those that are not as cancelled
  RunOrigin origin;
  bool over = false;       ///< false: it is going on, or was interrupted and has to be gone on with
  bool suspended = false;  ///< its interruption is known; false: it is going on, or whoever did it died
  std::vector<RunInterruption> interruptions;
};

/// The last good stage of a peer, and how it has been since.
struct PeerHistory {
  std::string name;
  std::optional<std::chrono::system_clock::time_point>
      last_good;  ///< end of the last run that had it staged or unchanged; its start while it is not over
  std::string last_good_run;
  std::uint64_t files = 0, bytes = 0;  ///< of that
  std::optional<PeerReport> last;      ///< of the last run that had it at all; without what was left out
  std::string last_run;
  unsigned failures_since = 0;  ///< runs since the last good one in which it was not staged
};

/// A peer's day whose files are known.
struct CatalogedDay {
  std::string peer;
  std::chrono::year_month_day date{};
  std::uint64_t files = 0;
  bool operator==(const CatalogedDay&) const = default;
};

struct HistoryQuery {
  std::optional<std::string> peer;
  std::optional<std::chrono::system_clock::time_point> since;  ///< begun then or later
  std::size_t limit = 100;
  std::optional<std::string> job = std::nullopt;  ///< not together with a peer; empty: runs of no job
};

/// What has happened: runs, what became of each peer, and the files of each peer's day. It is a convenience:
/// the truth about data is the manifests on the disk, and no verdict depends on what stands here.
///
/// SQLite in WAL mode through SOCI; several processes may have it open. Calls block for as long as the disk
/// (and at most a second for another writer), and throw CatalogError. One thread. Not to be used in a forked
/// child, and while one is open a child must not open the same file either: SQLite believes that it holds the
/// locks of its parent. A child that is to work in it is forked before its parent opens it.
class Catalog {
 public:
  enum class Access { read_only, read_write };

  /// Opens it. For writing: makes it (mode 0640, directories not) when missing and brings an older version up
  /// to date; a torn or foreign file is set aside beside it as PATH.damaged-TIME, and a new one is begun, see
  /// `was_begun_anew`. A catalog of a newer version than ours is left alone: CatalogError.
  Catalog(const std::string& path, Access access);
  ~Catalog();
  Catalog(Catalog&&) noexcept;
  Catalog& operator=(Catalog&&) noexcept;

  /// Set when the catalog did not exist or was set aside: a sentence for the log, and reason to rebuild.
  const std::optional<std::string>& was_begun_anew() const;

  // What happens. A run is known by the id in its report.
  /// One that is known already goes on: it keeps its beginning, its origin and the peers that are done. One
  /// that was rebuilt is over from the beginning.
  void begin_run(const RunReport& report, const RunOrigin& origin);
  /// The run stopped before its end and has to be gone on with: it is not over, whatever end_run said, and
  /// peers that are not done wait again. What is known of the files of those that were at work is void.
  void interrupt_run(const std::string& run, const RunInterruption& interruption);
  void begin_peer(const std::string& run, const std::string& peer);
  /// Files of a peer's day, in batches; they count once `end_peer` was called, and replace those of an
  /// earlier run of the same day.
  void add_files(const std::string& run, const std::string& peer, const std::vector<WorkFile>& files);
  /// What was added and does not count yet is void: the attempt begins again.
  void drop_files(const std::string& run, const std::string& peer);
  /// An action of a peer, or of the machine itself (no name), as far as it is known: it was begun, it is
  /// over.
  void record_action(const std::string& run, const std::string& peer, const ActionReport& report);
  void end_peer(const std::string& run, const PeerReport& report);
  /// Peers without an end_peer get what the report says.
  void end_run(const RunReport& report);
  /// What was added counts, and nothing else changes: for files that were lost from sight.
  void complete_files(const std::string& run, const std::string& peer);
  /// Of a peer's day that is not on the disk any more, or that is not what is known of it.
  void forget_files(const std::string& peer, std::chrono::year_month_day date);
  /// Runs that began earlier, and that are over.
  void forget_runs_before(std::chrono::system_clock::time_point when);

  // What was. Newest first.
  std::vector<CatalogedRun> runs(const HistoryQuery& query) const;
  std::optional<CatalogedRun> run(const std::string& id) const;
  /// Runs that are not over.
  std::vector<CatalogedRun> unfinished_runs() const;
  std::vector<PeerHistory> peers() const;
  /// The files of a peer's day in the order of their names. Absent: no run staged that peer on that day, or
  /// what it staged is not known for sure, see rebuild.h.
  std::optional<std::vector<WorkFile>> files(const std::string& peer, std::chrono::year_month_day date) const;

  /// All days whose files are known, in their order.
  std::vector<CatalogedDay> days() const;
  bool knows_files(const std::string& peer, std::chrono::year_month_day date) const;
  /// The last run of that day that staged the peer, or found it staged.
  std::optional<std::string> run_that_staged(const std::string& peer, std::chrono::year_month_day date) const;

  // What the daemon has to remember: the last slot of each job that was begun or given up, and the pause.
  std::optional<std::chrono::system_clock::time_point> last_slot(const std::string& job) const;
  void set_last_slot(const std::string& job, std::chrono::system_clock::time_point slot);
  bool paused() const;
  void set_paused(bool paused);

 private:
  class Database;
  std::unique_ptr<Database> database_;
};

}  // namespace peerstage::daemon

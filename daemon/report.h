#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/exit_code.h"
#include "peers/failure.h"
#include "peers/peer.h"

/// The result of a run. Exit status, JSON, the table for people and everything else that judges a run derive
/// from it.
namespace peerstage::daemon {

enum class PeerType { local, remote };

enum class PeerStatus {
  staged,     ///< its day was written
  unchanged,  ///< its day held everything already
  not_ready,  ///< it has not finished collecting, and is needed today
  ignored,    ///< it has not finished collecting, and may be missing today
  failed,
  cancelled  ///< the run was interrupted before the peer was done
};

const char* to_string(PeerType type);
const char* to_string(PeerStatus status);
/// Is all of its day there?
bool is_good(PeerStatus status);

/// What became of a managed action on a peer, or of an action of this machine's own.
struct ActionReport {
  enum class Status {
    ok,
    failed,     ///< also when it is not known how it ended
    cancelled,  ///< the run was interrupted before it was over
    refused     ///< not done, because something that it needs was not
  };
  std::string action;
  Status status = Status::cancelled;
  bool begun = false;  ///< it was, or may have been: never again in this run
  std::optional<int> exit_status;
  std::string signal;  ///< its name, when a signal ended it
  std::chrono::milliseconds duration{0};
  std::optional<peers::Failure> failure;
};

const char* to_string(ActionReport::Status status);

struct PeerReport {
  std::string name;
  PeerType type = PeerType::local;
  PeerStatus status = PeerStatus::cancelled;
  std::uint64_t files = 0;         ///< that stand in the peer's day and came from the peer
  std::uint64_t bytes = 0;         ///< of these files
  std::uint64_t reused_files = 0;  ///< of `files`: not fetched by this run
  unsigned attempts = 0;
  std::chrono::milliseconds duration{0};
  std::vector<peers::SkippedEntry> skipped;
  std::uint64_t skipped_unlisted = 0;  ///< left out too, beyond the list's limit
  std::optional<peers::Failure> failure;
  std::vector<ActionReport> actions;  ///< managed ones, in their order; empty: none was wanted
};

enum class Interruption { none, by_signal };

/// Why an action could not be done at all.
struct RunError {
  enum class Reason {
    command_line,  ///< it was asked for in a way that makes no sense, e.g. with a peer that does not exist
    unusable,
    locked
  };
  Reason reason = Reason::unusable;
  std::string message;  ///< one printable sentence
};

const char* to_string(RunError::Reason reason);

struct RunReport {
  std::string id;
  std::string action = "stage";
  std::chrono::year_month_day date{};  ///< local, fixed at the start
  std::chrono::system_clock::time_point started, finished;
  std::string daily_dir;  ///< raw bytes
  Interruption interruption = Interruption::none;
  std::optional<RunError> error;
  std::vector<PeerReport> peers;
  std::vector<ActionReport> actions;  ///< of this machine's own, around the run
};

enum class RunStatus { ok, failed, not_ready, interrupted, error };

const char* to_string(RunStatus status);

/// A run is as good as its worst required peer: interrupted, error, failed, not_ready, ok; the first that
/// applies.
RunStatus status(const RunReport& report);
ExitCode exit_code(const RunReport& report);

/// The document of `stage --json`, version 1, with a newline at its end. Times are UTC; names of files are
/// printable().
std::string to_json(const RunReport& report);

/// For people: a table with one line a peer, then a line for each failure, each peer with entries left out,
/// and the error of the run. Every line ends with a newline.
std::string summary_table(const RunReport& report);

}  // namespace peerstage::daemon

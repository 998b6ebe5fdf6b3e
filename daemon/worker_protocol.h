#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <variant>

#include "peers/command.h"
#include "peers/failure.h"
#include "peers/observer.h"

/// What a worker tells the supervisor: records on a pipe, each a length, a type and fields of fixed meaning.
/// The worker has parsed what a hostile peer sent, so the supervisor takes nothing else from it and checks
/// every byte.
namespace peerstage::daemon {

/// The size of the work: what has to be fetched.
struct WorkPlanned {
  std::uint64_t files = 0, bytes = 0;
  bool operator==(const WorkPlanned&) const = default;
};

/// How much of it has arrived, in all.
struct WorkProgress {
  std::uint64_t files = 0, bytes = 0;
  bool operator==(const WorkProgress&) const = default;
};

/// An entry that was left out; the name is raw bytes.
struct WorkSkipped {
  std::string name, reason;
  bool operator==(const WorkSkipped&) const = default;
};

/// A file of the peer's day as it was published; the name is raw bytes, relative to the peer's directory, and
/// such as RelativePath allows.
struct WorkFile {
  std::string name;
  std::uint64_t size = 0;
  std::array<std::uint8_t, 32> sha256{};
  std::int64_t source_mtime = 0;  ///< seconds since the epoch, at the source; 0: not known
  std::string fetched_on = {};    ///< the earlier day from which it was taken, as iso_date; empty: that day
  bool operator==(const WorkFile&) const = default;
};

WorkFile work_file(const peers::StagedFile& file);

/// A line for the log.
struct WorkEvent {
  peers::EventLevel level = peers::EventLevel::info;
  std::string text;
  bool operator==(const WorkEvent&) const = default;
};

enum class TreeChange { unchanged, changed };

/// The end of one attempt at one peer, always the last record. With a failure the counts are those of what
/// stands anyway (all of it when only the peer's marker could not be written).
struct WorkResult {
  TreeChange change = TreeChange::unchanged;
  std::uint64_t files = 0, bytes = 0, reused_files = 0;
  std::optional<peers::FailureKind> failure;
  std::string message;  ///< of the failure
  bool operator==(const WorkResult&) const = default;
};

/// The peer is asked to do a step of the worker's order: a managed action, counted from 0. From now on it may
/// have happened, whatever becomes of the worker.
struct WorkStepBegun {
  std::uint64_t step = 0;
  bool operator==(const WorkStepBegun&) const = default;
};

/// A step is over for good. One that failed may have been begun or not. Neither an exit status nor a signal:
/// it is not known whether it still goes on.
struct WorkStepEnded {
  std::uint64_t step = 0;
  std::optional<int> exit_status;
  std::string signal;  ///< its name, visible ASCII; empty: none
  std::uint64_t milliseconds = 0;
  std::optional<peers::FailureKind> failure;  ///< absent: it succeeded
  std::string message;                        ///< of the failure
  bool operator==(const WorkStepEnded&) const = default;

  bool may_go_on() const { return !exit_status && signal.empty(); }
};

inline constexpr std::size_t longest_signal_name = 64;

/// The peer's day stands and its marker is written, and the attempt goes on with what comes after staging.
struct WorkStaged {
  TreeChange change = TreeChange::unchanged;
  std::uint64_t files = 0, bytes = 0, reused_files = 0;
  bool operator==(const WorkStaged&) const = default;
};

/// What a command said, as it came: raw bytes.
struct WorkOutput {
  peers::CommandStream stream = peers::CommandStream::output;
  std::string bytes;
  bool operator==(const WorkOutput&) const = default;
};

/// The most that one record carries of it.
inline constexpr std::size_t longest_output = 16U << 10U;

/// Of an attempt of which nothing stands.
WorkResult failed_work(peers::FailureKind kind, std::string message);

using WorkRecord = std::variant<WorkPlanned, WorkProgress, WorkSkipped, WorkEvent, WorkResult, WorkFile,
                                WorkStepBegun, WorkStepEnded, WorkStaged, WorkOutput>;

/// No record is larger; the longest thing in one is a path.
inline constexpr std::size_t max_record_size = 64U << 10U;

/// The bytes of one record. Text that would not fit is shortened.
std::string encode(const WorkRecord& record);

class WorkProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Cuts a stream into records. Holds less than one record between calls.
class WorkRecordReader {
 public:
  void append(std::span<const char> bytes);
  /// The next whole record. Throws WorkProtocolError at the first byte that no worker of ours writes.
  std::optional<WorkRecord> next();

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
};

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/exit_code.h"
#include "daemon/report.h"

namespace peerstage::daemon {

/// What became of a command on one peer.
struct ExecPeerReport {
  enum class Status {
    ok,           ///< it ended with exit status 0
    failed,       ///< it ended otherwise, was ended at its deadline, or could not be run
    unreachable,  ///< nobody could log in: nothing was run
    cancelled     ///< we were interrupted
  };
  std::string name;
  Status status = Status::cancelled;
  bool was_begun = false;          ///< the peer may have run it
  std::optional<int> exit_status;  ///< absent: a signal ended it, or it is not known
  std::string signal;
  std::string output, error_output;                 ///< raw bytes, as much as is kept
  std::uint64_t output_bytes = 0, error_bytes = 0;  ///< in all
  std::chrono::milliseconds duration{0};
  std::string error;  ///< one sentence; empty with ok
};

struct ExecReport {
  Interruption interruption = Interruption::none;
  std::optional<RunError> error;  ///< it could not be done at all
  std::vector<ExecPeerReport> peers;
};

const char* to_string(ExecPeerReport::Status status);

/// Interrupted, could not be done, a peer failed or was not reached, ok; the first that applies.
ExitCode exit_code(const ExecReport& report);

/// The document of `exec --json`, version 1, with a newline at its end. Output is printable(), so that it can
/// be turned back.
std::string to_json(const ExecReport& report);

}  // namespace peerstage::daemon

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/command_line.h"
#include "daemon/exit_code.h"
#include "peers/staging/examine.h"
#include "peers/staging/staged_days.h"

namespace peerstage::daemon {

/// `peerstage verify`: reads staged files again and compares them with the manifests of their days, several
/// at a time. Needs neither the daemon nor the catalog nor the lock: it changes nothing, and may run while a
/// run goes on. Started as root it becomes the backup user first and keeps no more than the right to read.
/// Blocks until all is read.
ExitCode verify_staged(const VerifyCommand& command);

/// One peer's day, and what was found.
struct VerifiedDay {
  peers::staging::StagedDay day;
  peers::staging::ExaminedDay found;
};

struct Verification {
  std::vector<VerifiedDay> days;
  std::optional<std::string> error;  ///< why something that was asked for could not be verified
};

/// Damage is worse than an error.
ExitCode exit_code(const Verification& verification);

/// The document of `verify --json`: {"version": 1, "status": "ok|damaged|error", "error": null or a sentence,
/// "days": [{"date", "peer", "files", "bytes", "problems": [{"name", "problem", "message"}]}]}, with a
/// newline at its end. Names are printable().
std::string to_json(const Verification& verification);

}  // namespace peerstage::daemon

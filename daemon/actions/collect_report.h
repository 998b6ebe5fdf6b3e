#pragma once

#include <string>

#include "daemon/exit_code.h"
#include "peers/collect/collect.h"

/// What a collect says to people and programs, all derived from its report.
namespace peerstage::daemon {

/// The first that applies: interrupted, locked, error (it could not be done at all), peer_failed (an item was
/// incomplete or failed), ok.
ExitCode exit_code(const peers::collect::CollectReport& report);

/// The document, with a newline at its end (docs/collect.md). Names of files are printable().
std::string to_json(const peers::collect::CollectReport& report);

/// For people: one line an item, then a line for each failure and each count of warnings. Every line ends
/// with a newline. The error is told by the log.
std::string summary_table(const peers::collect::CollectReport& report);

}  // namespace peerstage::daemon

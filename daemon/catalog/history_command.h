#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage history`: what the catalog knows of runs, as a table or as the document of catalog_json.h.
ExitCode show_history(const HistoryCommand& command);

/// One line a run, newest first; for a peer, what became of it in each.
std::string history_table(const std::vector<CatalogedRun>& runs, const std::optional<std::string>& peer);

/// YYYY-MM-DD, where that day begins here, or a duration before now. Throws std::runtime_error with a
/// sentence for anything else.
std::chrono::system_clock::time_point begin_of_history(const std::string& since,
                                                       std::chrono::system_clock::time_point now);

}  // namespace peerstage::daemon

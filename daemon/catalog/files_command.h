#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage files PEER DATE`: the files of a peer's day.
ExitCode show_files(const FilesCommand& command);

/// One line a file and one for all.
std::string files_table(const std::vector<WorkFile>& files);

/// {"version": 1, "peer": ..., "date": ..., "files": [{"name", "size", "sha256", "mtime"}]}: names are
/// printable(), times UTC, or null where the source's is not known. A newline at its end.
std::string files_json(const std::string& peer, std::chrono::year_month_day date,
                       const std::vector<WorkFile>& files);

}  // namespace peerstage::daemon

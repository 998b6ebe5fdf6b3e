#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "config/finding.h"
#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage check`: judges the configuration and prints what is wrong with it on standard output.
ExitCode check_configuration(const CheckCommand& command);

enum class FindingsFormat { text, json };

/// Prints everything that was found in the configuration of this path. Warnings alone leave it valid.
ExitCode show_findings(const std::string& path, const std::vector<config::Finding>& findings,
                       FindingsFormat format, std::ostream& output);
/// The same for a command that has something else to show: sentences go to standard error then.
ExitCode show_findings(const std::string& path, const std::vector<config::Finding>& findings,
                       FindingsFormat format);

/// `{"valid": ..., "findings": [...]}` with a newline at its end; also what `stage --json` prints for a
/// configuration that is wrong.
std::string findings_json(const std::vector<config::Finding>& findings);

}  // namespace peerstage::daemon

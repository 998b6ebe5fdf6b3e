#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "config/finding.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// Loads and judges the configuration of this path; everything that is wrong with it.
using ConfigurationJudge = std::function<std::vector<config::Finding>(const std::string& path)>;

enum class CheckFormat { text, json };

/// `peerstage check`: judges and prints. Warnings alone leave a configuration valid.
ExitCode check_configuration(const std::string& path, CheckFormat format, const ConfigurationJudge& judge,
                             std::ostream& output);

/// "error: FILE:LINE: element: message", with a newline.
std::string finding_line(const config::Finding& finding);

/// `{"valid": ..., "findings": [...]}` with a newline at its end; also what `stage --json` prints for a
/// configuration that is wrong.
std::string findings_json(const std::vector<config::Finding>& findings);

}  // namespace peerstage::daemon

#pragma once

#include <functional>
#include <optional>
#include <string>

#include "daemon/catalog/catalog.h"
#include "daemon/check.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// For the commands that read the catalog: finds it by the configuration, opens it to be read, and lets `act`
/// do the rest. Whatever hinders that is told on standard error after `peerstage COMMAND: `; findings of a
/// wrong configuration go where `format` sends them.
ExitCode with_catalog(const std::string& command, const std::optional<std::string>& config_path,
                      FindingsFormat format, const std::function<ExitCode(const Catalog&)>& act);

}  // namespace peerstage::daemon

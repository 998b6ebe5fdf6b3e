#pragma once

#include <string>
#include <vector>

namespace peerstage::daemon {

/// What somebody who helps from afar asks for first: program, libraries, platform, user, locale and time
/// zone; one printable line each. Also the first lines that a run writes to its log.
std::vector<std::string> diagnostics();

}  // namespace peerstage::daemon

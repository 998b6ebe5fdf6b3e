#pragma once

#include <optional>
#include <string>

#include "daemon/check.h"
#include "daemon/command_line.h"
#include "daemon/control/control_client.h"

namespace peerstage::daemon {

/// Where the daemon is asked, and what is doubtful about that.
struct ControlPlace {
  std::string socket;
  std::string doubt;  ///< a sentence for when nobody answers there; empty: none
};

/// `--socket`, else what the configuration says, else the default. A configuration that cannot be read, or is
/// wrong, is no error: the daemon may run with the one before.
ControlPlace find_daemon(const ControlAddress& address);

/// Prints "peerstage COMMAND: sentence" on standard error, with the doubt where nobody answers; where a
/// document is wanted, {"version": 1, "error": sentence} on standard output as well.
void complain(const std::string& command, const ControlError& error, const ControlPlace& place,
              FindingsFormat format);

}  // namespace peerstage::daemon

#pragma once

#include "peers/connection.h"

namespace peerstage::peers::ssh {

class Session;

/// Runs a command to its end on the machine behind the session, see Connection::run. A command may be silent
/// for as long as its deadline lets it; that the machine itself still answers is checked whenever nothing
/// came for the idle timeout.
///
/// A command that passes its deadline is sent SIGTERM and the session is unusable. Throws PeerError.
CommandResult run_remote_command(Session& session, const Command& command);

}  // namespace peerstage::peers::ssh

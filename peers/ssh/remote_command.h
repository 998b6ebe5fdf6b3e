#pragma once

#include "peers/connection.h"

namespace peerstage::peers::ssh {

class Session;

/// Runs a command to its end on the machine behind the session, see Connection::run. A command may be silent
/// for as long as its deadlines let it; that the machine itself still answers is checked whenever nothing
/// came for the idle timeout.
///
/// Words are quoted for whatever shell the user has there; umask, directory and environment are set by a
/// `sh -c` around them. Logged in as root it becomes another user with runuser(1), else with sudo(8), where
/// the command lets it.
///
/// A command that passes a deadline is sent SIGTERM with its process group, and the session is unusable.
/// Throws PeerError.
CommandResult run_remote_command(Session& session, const Command& command);

}  // namespace peerstage::peers::ssh

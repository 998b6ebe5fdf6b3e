#pragma once

#include "daemon/command_line.h"
#include "daemon/exit_code.h"

namespace peerstage::daemon {

/// `peerstage trust PEER`: asks the peer for its host key (nobody logs in), shows the fingerprint and, once a
/// person has confirmed it or `--yes` was given, adds the key to the known_hosts of the user who stages.
/// Started as root it becomes the backup user first, for good. A key that has changed is never replaced: that
/// is left to somebody who knows why.
ExitCode trust_peer(const TrustCommand& command);

}  // namespace peerstage::daemon

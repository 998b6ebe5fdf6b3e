#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "peers/descriptor.h"
#include "peers/ssh/resolve.h"

namespace peerstage::peers::ssh {

/// A TCP connection to the first address that answers. The next address is tried when one fails, and beside
/// those that are silent after a quarter of a second (RFC 8305), so that a dead address costs no whole
/// timeout. `timeout` bounds all of it.
///
/// The socket is non-blocking and close-on-exec, without Nagle's delay. A machine that vanishes is noticed
/// after `dead_after` without an answer to data or to keepalive probes.
///
/// Throws PeerError, transient, naming each address with its reason. `target` is what the sentence calls the
/// host.
Descriptor connect_tcp(const std::vector<Address>& addresses, const std::string& target,
                       std::chrono::milliseconds timeout, std::chrono::milliseconds dead_after);

}  // namespace peerstage::peers::ssh

#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "config/stage_plan.h"

namespace peerstage::peers::ssh {

/// Where a TCP connection may go.
struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::string text;  ///< numeric, e.g. "192.0.2.1" or "2001:db8::1"
};

/// All addresses of a host, in the order of getaddrinfo(3); never empty. Literal addresses need no resolver.
/// A name is asked for in a thread of its own, because a resolver may be silent for minutes.
///
/// Throws PeerError: transient when no answer came in time or the resolver cannot tell, and also when it says
/// that there is no such host, because names come and go with the servers that know them.
std::vector<Address> resolve(const std::string& host, config::Port port, config::AddressFamily family,
                             std::chrono::milliseconds timeout);

}  // namespace peerstage::peers::ssh

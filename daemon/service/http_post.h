#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <sys/types.h>

#include "daemon/user.h"

namespace peerstage::daemon {

/// A document that is sent to a web server.
struct HttpPost {
  std::string url;           ///< http or https
  std::optional<User> user;  ///< whom to become first; absent: stay who we are
  pid_t parent = 0;          ///< the process with which to die
  std::chrono::milliseconds connect_timeout{10'000}, timeout{30'000};
};

/// In a child process of its own, for which this is all it does: confines itself (see confine.h), posts what
/// it reads from its standard input as application/json and returns 0 when the server answers 2xx. Else 1,
/// with one sentence on its standard output. What the server says beyond its status is not looked at; it is
/// not followed elsewhere; no proxy is used and no .netrc; certificates and host names are checked against
/// what the machine trusts. Blocks no longer than `timeout`.
int post_from_standard_input(const HttpPost& post);

/// The part of a URL that holds no secrets: scheme, host and port. Printable.
std::string shown_url(const std::string& url);

}  // namespace peerstage::daemon

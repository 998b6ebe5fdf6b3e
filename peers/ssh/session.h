#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <libssh/libssh.h>

#include "peers/failure.h"
#include "peers/ssh/known_hosts.h"
#include "peers/ssh/options.h"
#include "peers/ssh/watchdog.h"

namespace peerstage::peers::ssh {

struct SessionDeleter {
  // Not ssh_disconnect(): with a socket of ours it neither closes it nor tells whether an error did.
  void operator()(ssh_session session) const { ssh_free(session); }
};
using SessionHandle = std::unique_ptr<ssh_session_struct, SessionDeleter>;

/// One SSH connection, from the TCP connection to the key exchange; who the server is, and who we are, is for
/// others to settle (see known_hosts.h and identity.h). For one thread.
class Session {
 public:
  /// Connects and exchanges keys, within the connect timeout for each. Nothing has been said about a user
  /// when this returns. Throws PeerError.
  ///
  /// `machine` is what sentences call it; both arguments must outlive the session.
  Session(const std::string& machine, const ConnectionOptions& options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The key that the server has proved to hold.
  HostKey host_key() const;

  ssh_session handle() const { return handle_.get(); }
  const ConnectionOptions& options() const { return options_; }
  Watchdog& watchdog() { return watchdog_; }
  /// "web1 (10.0.0.5 port 22)"
  const std::string& target() const { return target_; }

  /// Calls libssh with a limit of time; what it returns comes back.
  template <typename Call>
  auto within(std::chrono::milliseconds timeout, Call call) {
    let_library_give_up_after(timeout);
    watchdog_.arm(std::chrono::steady_clock::now() + timeout);
    const auto result = call();
    watchdog_.disarm();
    return result;
  }

  /// For calls of libssh that the watchdog cannot end, because libssh has closed the socket that they wait
  /// for: they end by themselves, at the latest this long, and some seconds, after they began.
  void let_library_give_up_after(std::chrono::nanoseconds timeout);

  /// Nothing more can be done with it.
  bool broken() const;

  /// Ends the connection because the server broke a rule; `failure` says so from now on.
  void accuse(const std::string& what);

  /// Why the last call failed: "TRIED TARGET: REASON", with the kind that fits.
  PeerError failure(const std::string& tried, std::chrono::milliseconds timeout) const;

 private:
  void configure(const std::vector<KnownHostsFile>& known);
  void set(ssh_options_e option, const void* value, const std::string& what);

  const ConnectionOptions& options_;
  std::string target_;
  std::string accusation_;
  std::string first_error_;  ///< a lasting one, of connecting; what libssh says in the end may hide it
  Watchdog watchdog_;
  SessionHandle handle_;
};

}  // namespace peerstage::peers::ssh

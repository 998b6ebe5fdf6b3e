#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peers/descriptor.h"

namespace peerstage::daemon {

/// What systemd and the daemon have to tell each other: sd_notify(3), sd_watchdog_enabled(3),
/// sd_listen_fds(3). Where no service manager is, everything here does nothing.
///
/// Nothing throws. The news of a change of state wait for at most a second for a manager that does not read,
/// the others not at all: they are lost then.
class ServiceManager {
 public:
  /// Takes over what the manager passed on to this process. From here on no program that we start can have
  /// it: the variables $NOTIFY_SOCKET, $LISTEN_* and $WATCHDOG_* are gone from the environment, the
  /// descriptors are closed by exec, and capabilities are inherited by nobody (capabilities(7)). For the
  /// beginning of the program, once, before there are threads.
  ServiceManager();

  /// The daemon is in service: its socket listens, and its configuration is good. Also after reloading().
  void ready() const;
  /// The configuration is being read again; ready() has to follow, whatever came of it.
  void reloading() const;
  void stopping() const;
  /// What goes on, for `systemctl status`: printable.
  void status(std::string_view text) const;

  /// How often watchdog() has to be called: half of what the manager waits. Absent: it does not wait for it.
  std::optional<std::chrono::milliseconds> watchdog_interval() const { return watchdog_interval_; }
  /// The event loop comes round.
  void watchdog() const;

  /// The listening Unix socket that the manager made under this name (FileDescriptorName= of
  /// systemd.socket(5)). Absent if there is none, if it is no listening Unix stream socket, or if it was
  /// taken already.
  std::optional<peers::Descriptor> listening_socket(std::string_view name);

 private:
  enum class Wait { a_second, not_at_all };
  void send(const std::string& message, Wait wait) const;

  std::string address_;  ///< as in $NOTIFY_SOCKET; empty: nobody listens
  peers::Descriptor socket_;
  std::optional<std::chrono::milliseconds> watchdog_interval_;
  std::vector<std::pair<std::string, peers::Descriptor>> passed_;
};

}  // namespace peerstage::daemon

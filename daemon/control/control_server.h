#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "daemon/control/access.h"
#include "daemon/control/control_socket.h"
#include "daemon/control/controllable.h"
#include "daemon/control/limits.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Answers at the control socket what docs/control-api.md says, on the daemon's event loop. No client can
/// make it wait, take more than its limits, or keep the loop from its work for longer than one answer takes.
/// Hangs up on everybody at its end.
class ControlServer {
 public:
  /// For the log: who had what done, and what is wrong with the socket. One printable sentence.
  using Tell = std::function<void(peers::EventLevel, const std::string&)>;

  /// The loop, which has one thread, and the daemon must outlive it. It must not be destroyed from within a
  /// call to the daemon or to `tell`: post that to the loop.
  ControlServer(boost::asio::io_context& loop, ControlSocket socket, AccessPolicy policy,
                Controllable& daemon, Tell tell, ControlLimits limits = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// For those who connect from now on.
  void set_policy(AccessPolicy policy);

 private:
  class Reception;
  std::shared_ptr<Reception> reception_;
};

}  // namespace peerstage::daemon

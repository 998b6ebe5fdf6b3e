#include "daemon/interruptible_loop.h"

#include <csignal>

#include <boost/asio/signal_set.hpp>

#include "daemon/termination.h"

namespace peerstage::daemon {

void run_interruptibly(boost::asio::io_context& loop, const std::function<void()>& interrupt) {
  boost::asio::signal_set signals(loop, SIGINT, SIGTERM, SIGHUP);
  signals.async_wait([&interrupt](boost::system::error_code error, int) {
    if (!error) interrupt();
  });
  const TerminationListenedTo termination;
  loop.run();
}

}  // namespace peerstage::daemon

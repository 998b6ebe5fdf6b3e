#include "daemon/interruptible_loop.h"

#include <cerrno>
#include <csignal>
#include <system_error>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/termination.h"

namespace peerstage::daemon {
namespace {

int open_signals() {
  const sigset_t signals = termination_signals();
  const int descriptor = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  throw std::system_error(errno, std::generic_category(), "cannot listen to signals");
}

/// The signal that waits, which waits no more; 0: none.
int take_signal(int descriptor) {
  signalfd_siginfo signal{};
  const auto size = ::read(descriptor, &signal, sizeof(signal));
  return size == static_cast<ssize_t>(sizeof(signal)) ? static_cast<int>(signal.ssi_signo) : 0;
}

}  // namespace

void run_interruptibly(boost::asio::io_context& loop, const std::function<void()>& interrupt) {
  const TerminationHeldBack termination;
  boost::asio::posix::stream_descriptor signals(loop, open_signals());
  int caught = 0;
  signals.async_wait(boost::asio::posix::stream_descriptor::wait_read, [&](boost::system::error_code error) {
    if (!error) caught = take_signal(signals.native_handle());
    if (caught != 0) interrupt();
  });
  loop.run();
  // What it interrupted here may have been over, and something else be about to begin.
  if (caught != 0) ::raise(caught);
}

}  // namespace peerstage::daemon

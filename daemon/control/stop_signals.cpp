#include "daemon/control/stop_signals.h"

#include <cerrno>
#include <system_error>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace peerstage::daemon {

StopSignals::StopSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  signals_ = peers::Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_ || ::sigprocmask(SIG_BLOCK, &set, &before_) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot wait for signals");
}

/// What came is used up: it has had its effect.
StopSignals::~StopSignals() {
  signalfd_siginfo used{};
  while (::read(signals_.get(), &used, sizeof used) > 0) {
  }
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

bool StopSignals::comes_within(std::chrono::milliseconds time) const {
  pollfd signals{signals_.get(), POLLIN, 0};
  return ::poll(&signals, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace peerstage::daemon

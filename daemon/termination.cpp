#include "daemon/termination.h"

#include <ctime>
#include <initializer_list>

namespace peerstage::daemon {

sigset_t termination_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

TerminationHeldBack::TerminationHeldBack() {
  const sigset_t signals = termination_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

TerminationHeldBack::~TerminationHeldBack() {
  const sigset_t signals = termination_signals();
  const timespec at_once{};
  const bool outermost = ::sigismember(&before_, SIGTERM) == 0;
  while (outermost && ::sigtimedwait(&signals, nullptr, &at_once) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool termination_is_waiting() {
  sigset_t pending;
  sigemptyset(&pending);
  ::sigpending(&pending);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    if (::sigismember(&pending, signal) == 1) return true;
  return false;
}

}  // namespace peerstage::daemon

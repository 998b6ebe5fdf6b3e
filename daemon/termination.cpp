#include "daemon/termination.h"

#include <ctime>
#include <initializer_list>

namespace peerstage::daemon {
namespace {

sigset_t termination_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

TerminationHeldBack::TerminationHeldBack() {
  const sigset_t signals = termination_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

TerminationHeldBack::~TerminationHeldBack() {
  const sigset_t signals = termination_signals();
  const timespec at_once{};
  while (::sigtimedwait(&signals, nullptr, &at_once) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool is_termination_waiting() {
  sigset_t waiting;
  sigemptyset(&waiting);
  ::sigpending(&waiting);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (sigismember(&waiting, signal) == 1) return true;
  }
  return false;
}

TerminationListenedTo::TerminationListenedTo() {
  const sigset_t signals = termination_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, &before_);
}

TerminationListenedTo::~TerminationListenedTo() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace peerstage::daemon

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

TerminationListenedTo::TerminationListenedTo() {
  const sigset_t signals = termination_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, &before_);
}

TerminationListenedTo::~TerminationListenedTo() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace peerstage::daemon

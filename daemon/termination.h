#pragma once

#include <csignal>

/// SIGINT, SIGTERM and SIGHUP, which end a run in good order. Whoever runs them has one thread.
namespace peerstage::daemon {

/// While one of these lives, the signals wait: what is begun is ended, and a verdict is told. Those that
/// still wait at its end came too late to interrupt anything, and are dropped, unless an outer one lives on.
class TerminationHeldBack {
 public:
  TerminationHeldBack();
  ~TerminationHeldBack();
  TerminationHeldBack(const TerminationHeldBack&) = delete;
  TerminationHeldBack& operator=(const TerminationHeldBack&) = delete;

 private:
  sigset_t before_{};
};

/// These signals.
sigset_t termination_signals();

/// Is one of them waiting, held back? For work that looks from time to time whether it has to end.
bool termination_is_waiting();

}  // namespace peerstage::daemon

#pragma once

#include <chrono>

#include <signal.h>

#include "peers/descriptor.h"

namespace peerstage::daemon {

/// While it lives SIGINT, SIGTERM and SIGHUP end nothing, but can be waited for: for a command that has a
/// last word to say. For a program with one thread.
class StopSignals {
 public:
  /// Throws std::system_error.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Becomes readable when one came, and stays so.
  int descriptor() const { return signals_.get(); }
  /// Waits for so long; true: one came.
  bool comes_within(std::chrono::milliseconds time) const;

 private:
  sigset_t before_{};
  peers::Descriptor signals_;
};

}  // namespace peerstage::daemon

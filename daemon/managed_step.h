#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <variant>

#include "daemon/worker_protocol.h"
#include "peers/observer.h"
#include "peers/peer.h"

namespace peerstage::daemon {

/// One action that a peer is told to do.
struct ManagedStep {
  std::string action;
  peers::ManagedMode mode = peers::ManagedMode::normal;
  std::chrono::milliseconds deadline{0};  ///< 0: none
};

/// The name of a signal is the peer's word: visible ASCII, and not too long, as WorkStepEnded wants it.
std::string plain_signal(std::string name);

/// "ended with exit status 3", "was ended by the signal TERM"
std::string how_it_ended(const peers::CommandResult& result);

/// Has the peer do it, and waits for its end. What it says becomes events, line by line. `begun` is called
/// right before the peer is asked.
///
/// A failure as the result: nothing has begun on the peer, and a transient one may be tried again. Else how
/// it ended (`step` is left alone): not to be tried again, whatever came of it, since it was begun.
std::variant<WorkStepEnded, peers::Failure> run_managed_step(peers::Peer& peer, const ManagedStep& step,
                                                             peers::Observer& observer,
                                                             const std::function<void()>& begun);

}  // namespace peerstage::daemon

#pragma once

#include <sys/types.h>

#include "config/stage_plan.h"
#include "daemon/user.h"
#include "peers/command.h"

namespace peerstage::daemon {

/// A command for one peer.
struct ExecOrder {
  config::StagePeer peer;
  User user;  ///< who connects
  bool started_as_root = false;
  pid_t supervisor = 0;
  peers::Command command;
};

/// Runs the command in a process of its own, once. Tells step 0 as begun when the peer was reached, then what
/// the command says, and how it ended. A failure of the attempt as a whole: the peer was not reached.
///
/// A worker for a remote peer confines itself like one that stages. One for a local peer only becomes the
/// leader of what it starts: the command may do what its user may. Ends the process; to be called in a
/// freshly forked child only.
[[noreturn]] void exec_on_peer(const ExecOrder& order, int records);

}  // namespace peerstage::daemon

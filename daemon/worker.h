#pragma once

#include <string>

#include <sys/types.h>

#include "config/stage_plan.h"
#include "daemon/user.h"
#include "peers/staging/stage.h"
#include "peers/staging/staging_area.h"

namespace peerstage::daemon {

/// One attempt at one peer.
struct WorkOrder {
  config::StagePeer peer;
  peers::staging::StageOptions options;
  User user;                     ///< who connects, and owns what is staged
  bool started_as_root = false;  ///< then the worker becomes `user`
  pid_t supervisor = 0;
};

/// Does the work of an order in a process of its own, and tells the supervisor on the descriptor (see
/// worker_protocol.h). Confines itself first. Ends the process; to be called in a freshly forked child only.
[[noreturn]] void work(const WorkOrder& order, peers::staging::PeerPlace& place, int supervisor_descriptor);

}  // namespace peerstage::daemon

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

/// What a worker gets from the supervisor beside its order and its place.
struct WorkDescriptors {
  int supervisor;  ///< where it tells what happens, see worker_protocol.h
  int lock;        ///< of the staging directory, held for as long as the worker lives; -1: none
};

/// Does the work of an order in a process of its own. Confines itself first and closes every descriptor that
/// is not for it. Ends the process; to be called in a freshly forked child only.
[[noreturn]] void work(const WorkOrder& order, peers::staging::PeerPlace& place,
                       const WorkDescriptors& descriptors);

}  // namespace peerstage::daemon

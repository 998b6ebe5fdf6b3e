#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "config/stage_plan.h"
#include "daemon/user.h"
#include "daemon/worker_protocol.h"
#include "peers/peer.h"
#include "peers/staging/stage.h"
#include "peers/staging/staging_area.h"

namespace peerstage::daemon {

/// One attempt at one peer.
///
/// A worker with managed actions does what is left of: those before, staging, those after. Its steps (see
/// WorkStepBegun) are the actions before and then the ones after, counted from 0.
struct WorkOrder {
  config::StagePeer peer;
  peers::staging::StageOptions options;
  User user;                     ///< who connects, and owns what is staged
  bool started_as_root = false;  ///< then the worker becomes `user`
  pid_t supervisor = 0;

  std::vector<std::string> before, after;  ///< managed actions
  peers::ManagedMode managed_mode = peers::ManagedMode::normal;
  std::set<std::size_t>
      settled;  ///< steps that are not to be done: an earlier attempt began them, or they may not be
  std::optional<WorkStaged> staged;  ///< by an earlier attempt: not done again
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

/// The same without staging: nothing but the actions of `before`.
[[noreturn]] void work_without_staging(const WorkOrder& order, const WorkDescriptors& descriptors);

}  // namespace peerstage::daemon

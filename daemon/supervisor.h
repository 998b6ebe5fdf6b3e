#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "daemon/peer_outcome.h"
#include "daemon/timeline.h"
#include "daemon/worker_protocol.h"
#include "daemon/workers.h"

namespace peerstage::daemon {

enum class RunEnd { complete, interrupted };

/// What a pool tells while it goes. All calls come from the timeline or from `Supervisor::interrupt`; peers
/// are named by their index. The supervisor may be destroyed in `over`, in no other call.
class PoolObserver {
 public:
  virtual ~PoolObserver() = default;
  virtual void started(std::size_t peer, unsigned attempt) = 0;
  virtual void planned(std::size_t peer, const WorkPlanned& plan) = 0;
  virtual void progress(std::size_t peer, const WorkProgress& progress) = 0;
  /// See RunObserver::file.
  virtual void file(std::size_t /*peer*/, const WorkFile&) {}
  virtual void event(std::size_t peer, const WorkEvent& event) = 0;
  /// A step of this number begins, for the only time; see PoolPeer::steps.
  virtual void step_begun(std::size_t /*peer*/, std::size_t /*step*/) {}
  /// Once for a step at most.
  virtual void step_ended(std::size_t /*peer*/, const WorkStepEnded& /*end*/) {}
  /// What a command says.
  virtual void output(std::size_t /*peer*/, const WorkOutput& /*output*/) {}
  /// Once for a peer at most.
  virtual void staged(std::size_t /*peer*/, const WorkStaged& /*tree*/) {}
  /// An attempt failed and there will be another one.
  virtual void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) = 0;
  /// Once for every peer.
  virtual void finished(std::size_t peer, const PeerOutcome& outcome) = 0;
  /// No attempt starts before then; absent: they start again.
  virtual void held(std::optional<Timeline::Wall> until) = 0;
  /// About ten times a second.
  virtual void tick() = 0;
  /// Every peer is finished and nothing was interrupted; the last call.
  virtual void over() = 0;
};

/// One peer of a pool.
struct PoolPeer {
  config::StagingSettings settings;
  std::string group;      ///< of peers that share a limit; empty: none
  std::size_t steps = 0;  ///< how many managed actions its workers may tell of, each once
};

/// What the peers of a pool share.
struct PoolLimits {
  unsigned parallel = 8;                   ///< peers that are at work at a time
  std::map<std::string, unsigned> groups;  ///< peers of a group that are at work at a time; missing: 1
  config::ByteCount bandwidth;             ///< bytes a second; 0: no limit
  /// A worker that told nothing for so long lends its place to another peer until it moves again. There are
  /// never more than twice as many workers as places.
  std::chrono::milliseconds stall_time{5000};
  /// When attempts may start again, asked at that time; absent: now. Where none is given: always.
  std::function<std::optional<Timeline::Wall>(Timeline::Wall now)> held_until;
};

/// Has a worker for every peer, so many at a time, until each has ended for good. Everything happens on the
/// timeline; nothing blocks.
class Supervisor {
 public:
  /// What is passed by reference must outlive it. `seed`: of the jitter in the delays.
  Supervisor(const std::vector<PoolPeer>& peers, PoolLimits limits, Timeline& timeline, Workers& workers,
             PoolObserver& observer, std::uint32_t seed = std::random_device{}());
  /// Kills the workers that are left and tells nothing.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void start();

  /// Ends it: workers are killed (whatever they published is complete) and the rest is cancelled. When this
  /// returns, every peer is finished; `over` is not told any more. `complete`: they were finished already.
  /// Not from within a call to the observer.
  RunEnd interrupt();

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "daemon/worker_protocol.h"

namespace peerstage::daemon {

/// What became of one peer in a run.
struct PeerOutcome {
  WorkResult result;  ///< of the last attempt; `changed` if any attempt of this run changed the peer's day
  bool cancelled = false;  ///< ended by us before it was done
  std::vector<WorkSkipped> skipped;
  std::uint64_t skipped_unlisted = 0;    ///< beyond the list's limit
  unsigned attempts = 0;                 ///< looks at a peer that was not ready yet do not count
  std::chrono::milliseconds elapsed{0};  ///< from the first start to the end
};

/// What a run tells while it goes. All calls come from the thread in `Supervisor::run`; peers are named by
/// their index.
class PoolObserver {
 public:
  virtual ~PoolObserver() = default;
  virtual void started(std::size_t peer, unsigned attempt) = 0;
  virtual void planned(std::size_t peer, const WorkPlanned& plan) = 0;
  virtual void progress(std::size_t peer, const WorkProgress& progress) = 0;
  virtual void event(std::size_t peer, const WorkEvent& event) = 0;
  /// See RunObserver::file.
  virtual void file(std::size_t /*peer*/, const WorkFile&) {}
  /// An attempt failed and there will be another one.
  virtual void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) = 0;
  /// Once for every peer.
  virtual void finished(std::size_t peer, const PeerOutcome& outcome) = 0;
  /// About ten times a second.
  virtual void tick() = 0;
};

enum class RunEnd { complete, interrupted };

/// Runs a worker process for every peer, so many at a time, until each has ended for good: one thread, one
/// event loop. SIGINT, SIGTERM and SIGHUP end the run: workers are killed (whatever they published is
/// complete) and the rest is cancelled.
class Supervisor {
 public:
  /// Runs in a freshly forked process: does one attempt at the peer, tells of it on the descriptor, does not
  /// return.
  using Work = std::function<void(std::size_t peer, int descriptor)>;

  Supervisor(std::vector<config::StagingSettings> peers, unsigned parallel, Work work,
             PoolObserver& observer);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  RunEnd run();

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace peerstage::daemon

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "config/units.h"
#include "daemon/worker_protocol.h"

namespace peerstage::daemon {

/// Hears of one attempt. All calls come from the event loop, none from within Workers::start; the worker may
/// be let go of in each of them.
class WorkerListener {
 public:
  virtual ~WorkerListener() = default;
  /// Any record but the result.
  virtual void told(const WorkRecord& record) = 0;
  /// The last call: what the worker told at its end. One that died without a word failed, permanently; one
  /// that broke the protocol was killed, and its peer is hostile.
  virtual void ended(const WorkResult& result) = 0;
};

/// An attempt that is going on. Letting go of it kills the worker; its listener hears no more.
class RunningWorker {
 public:
  virtual ~RunningWorker() = default;
  /// What it fetches in a second from now on, at most; 0: no limit.
  virtual void set_rate(config::ByteCount rate) = 0;
  /// Kills it. What it told before is still heard, then that it was killed.
  virtual void kill() = 0;
  /// After kill(), for whoever will not wait for that: what it told before is heard from within this call,
  /// but for a result. Blocks until it is dead, but not longer than this.
  virtual void hear_the_rest(std::chrono::milliseconds /*patience*/) {}
};

/// Starts one attempt at one peer after the other: in processes of their own, or in tests on paper.
class Workers {
 public:
  virtual ~Workers() = default;
  /// The listener must live as long as the attempt. Throws std::system_error.
  virtual std::unique_ptr<RunningWorker> start(std::size_t peer, config::ByteCount rate,
                                               WorkerListener& listener) = 0;
  /// Blocks until those that were let go of are gone, but not longer than this. What is not gone then hangs
  /// in the kernel, and cannot do any more than end the system call that it is in.
  virtual void settle(std::chrono::milliseconds patience) = 0;
};

/// What a worker has of the process that started it.
struct WorkerLink {
  int records = -1;  ///< where it tells what happens
  std::shared_ptr<const std::atomic<std::uint64_t>>
      rate;  ///< bytes a second, 0: no limit; changes at any time
};

/// Runs in the worker: does one attempt at the peer, does not return.
using Work = std::function<void(std::size_t peer, const WorkerLink& link)>;

/// Makes the workers of a run. Real ones: worker_processes() in daemon/worker_processes.h.
using MakeWorkers = std::function<std::unique_ptr<Workers>(Work work)>;

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "daemon/workers.h"

namespace peerstage::daemon {

/// Workers that are processes, one for an attempt. One that is let go of is killed at once and reaped when it
/// is gone, which nothing waits for: a process in uninterruptible sleep delays nobody.
class WorkerProcesses final : public Workers {
 public:
  /// `work` runs in a freshly forked process. The loop must outlive this.
  WorkerProcesses(boost::asio::io_context& loop, Work work);
  ~WorkerProcesses() override;
  WorkerProcesses(const WorkerProcesses&) = delete;
  WorkerProcesses& operator=(const WorkerProcesses&) = delete;

  std::unique_ptr<RunningWorker> start(std::size_t peer, config::ByteCount rate,
                                       WorkerListener& listener) override;
  void settle(std::chrono::milliseconds patience) override;

 private:
  class Attempt;
  class Attempts;
  class Running;
  boost::asio::io_context& loop_;
  Work work_;
  std::shared_ptr<Attempts> attempts_;  ///< those that are dying outlive this
};

/// For a StageRun on this loop, which must outlive it.
MakeWorkers worker_processes(boost::asio::io_context& loop);

}  // namespace peerstage::daemon

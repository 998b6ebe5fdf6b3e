#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include <sys/types.h>

#include "peers/descriptor.h"

namespace peerstage::daemon {

/// A running worker, owned: one that is still there when this goes is killed, and waited for a moment.
class WorkerProcess {
 public:
  /// Forks. `body` runs in the child with the writing end of the pipe and must not return. Throws
  /// std::system_error.
  explicit WorkerProcess(const std::function<void(int descriptor)>& body);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// What the worker writes, non-blocking, and the end of the stream when it has ended. For the caller to
  /// take over.
  peers::Descriptor take_records() { return std::move(records_); }
  /// Readable (pidfd_open(2)) once the worker has ended. For the caller to take over.
  peers::Descriptor take_handle() { return std::move(handle_); }
  pid_t pid() const { return pid_; }
  void kill();
  /// Reaps a worker that has ended (waits for it otherwise) and returns its wait status.
  int reap();

 private:
  pid_t pid_ = -1;
  peers::Descriptor records_, handle_;
};

/// Waits until the worker of this handle has ended, but not longer than that. False: it has not.
bool wait_for_end(int handle, std::chrono::milliseconds patience);

}  // namespace peerstage::daemon

#pragma once

#include <functional>

#include <sys/types.h>

#include "peers/descriptor.h"

namespace peerstage::daemon {

/// A running worker, owned: one that is still there when this goes is killed and waited for.
class WorkerProcess {
 public:
  /// Forks. `body` runs in the child with the writing end of the pipe and must not return. Throws std::system_error.
  explicit WorkerProcess(const std::function<void(int descriptor)>& body);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Non-blocking; what the worker writes, and the end of the stream when it has ended.
  const peers::Descriptor& records() const { return records_; }
  /// Readable (pidfd_open(2)) once the worker has ended.
  const peers::Descriptor& handle() const { return handle_; }
  void kill();
  /// Reaps a worker that has ended (waits for it otherwise) and returns its wait status.
  int reap();

 private:
  pid_t pid_ = -1;
  peers::Descriptor records_, handle_;
};

}  // namespace peerstage::daemon

#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "peers/descriptor.h"

namespace peerstage::peers {

/// Whom a child becomes before it runs its program. Only root can.
struct ChildIdentity {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;  ///< all of them, `group` included
};

/// What a child is to run, and as what.
struct Launch {
  std::vector<std::string> argv;  ///< at least one word; without a slash it is looked for in the PATH below
  std::vector<std::string> environment;  ///< all of it, NAME=VALUE
  std::optional<ChildIdentity> identity;
  std::optional<mode_t> umask;
  std::string directory;  ///< empty: ours
};

/// The child could not be started: at which step, and why (an errno).
class NotLaunched : public std::runtime_error {
 public:
  enum class Step { fork, identity, directory, program };
  NotLaunched(Step step, int error)
      : std::runtime_error("a program was not started"), step_(step), error_(error) {}
  Step step() const { return step_; }
  int error() const { return error_; }

 private:
  Step step_;
  int error_;
};

/// A running program, owned, with pipes at its standard streams, in a process group of its own, no signal
/// blocked or ignored, and none of our descriptors. Its group is killed when this goes before `wait`, and
/// also when our process ends, however that comes about.
class ChildProcess {
 public:
  /// Returns when the program runs. Throws NotLaunched.
  explicit ChildProcess(const Launch& launch);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Our ends of its streams, non-blocking; for the caller to take over.
  Descriptor take_input() { return std::move(input_); }
  Descriptor take_output() { return std::move(output_); }
  Descriptor take_error() { return std::move(error_); }
  /// Readable (pidfd_open(2)) once it has ended.
  int handle() const { return handle_.get(); }
  /// Waits for its end and returns its wait status. What it has started and left may live on.
  int wait();

 private:
  void kill();

  pid_t pid_ = -1;
  pid_t guardian_ = -1;  ///< in the same group, ends it when the other end of the leash is closed
  Descriptor leash_, input_, output_, error_, handle_;
};

}  // namespace peerstage::peers

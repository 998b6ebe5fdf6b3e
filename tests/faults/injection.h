#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <sys/types.h>

#include "tests/faults/counted_calls.h"
#include "tests/faults/fault.h"

namespace peerstage::faults {

struct Point {
  unsigned number = 0;    ///< the fault is at this counted call, from 1; 0 is none
  std::string only_call;  ///< counted are calls of this name only; "" is all that the fault can hit
};

struct Hit {
  std::string call;
  std::string subject;
  pid_t process;
  bool is_first_process;  ///< not one that the command started
};

struct Findings {
  unsigned calls = 0;  ///< counted ones that were seen
  unsigned hits = 0;   ///< calls that were met by the fault
  std::optional<Hit> first;
};

/// Runs a command and brings a fault about at one of its system calls. Calls are counted over all processes
/// and threads of the command, from the moment on that one of them asks for a lock as the staging directory
/// has it (F_OFD_SETLK).
class Injection {
 public:
  /// `stopped` is called while nothing of the command moves; afterwards all of it is killed.
  Injection(Fault fault, Point point, std::function<void(const Findings&)> stopped);

  /// The command's exit status, or 128 and the signal that ended it, when nothing of it is left. Throws
  /// std::system_error where a process may not be traced.
  int run(char* const* command);
  const Findings& findings() const { return findings_; }

 private:
  void start(char* const* command);
  void on_stop(pid_t thread, int status);
  void on_event(pid_t thread, int event, int signal);
  void on_call(pid_t thread);
  bool is_hit(const Entered& entered);
  void hit(const Entered& entered);
  void fail(const Entered& entered);
  void kill_everything();
  void stop_everything(pid_t stopped_already);
  void went_away(pid_t thread, int status);

  Fault fault_;
  Point point_;
  std::function<void(const Findings&)> stopped_;
  Findings findings_;
  pid_t first_process_ = 0;
  int exit_status_ = 0;
  bool is_armed_ = false;
  bool is_over_ = false;  ///< everything is being killed
  std::set<pid_t> threads_;
  std::set<std::pair<pid_t, long>> interrupted_;  ///< calls of a thread that get through the next time
  std::map<pid_t, int> told_after_;  ///< threads in a call that is made, and what error it shall say
};

}  // namespace peerstage::faults

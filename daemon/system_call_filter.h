#pragma once

#include <sys/types.h>

/// Which system calls a worker may make, by seccomp(2). Landlock decides about files; this is about the rest,
/// and stands in for what the Landlock of an older kernel cannot refuse.
namespace peerstage::daemon {

enum class Programs { forbidden, allowed };
enum class Network { forbidden, allowed };

struct SystemCallRules {
  Programs programs = Programs::forbidden;  ///< to start other processes, and signals to them
  Network network = Network::forbidden;     ///< sockets at all
  bool landlock_knows_truncating = true;
  pid_t supervisor = 0;  ///< whom no signal may reach
};

/// Whether this kernel has filters.
bool has_system_call_filters();

/// From now on, for good, what no worker needs is refused with EPERM: to look into, change or signal other
/// processes, to leave what this process belongs to, to change the machine or its own confinement, to make
/// what outlives it elsewhere than in a file. What is newer than this list, or of another architecture, does
/// not exist (ENOSYS), so that libraries fall back on what they did before.
///
/// It names what is forbidden, not what is allowed: the libraries of a worker, and what the machine's name
/// service loads into it, may call whatever else they like. Needs no_new_privs, and a process with one
/// thread. Throws std::system_error.
void filter_system_calls(const SystemCallRules& rules);

}  // namespace peerstage::daemon

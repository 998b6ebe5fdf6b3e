#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "daemon/user.h"

/// Takes from a worker what it does not need, before it meets its peer.
namespace peerstage::daemon {

/// What a worker keeps beside the backup user's own rights, of what its supervisor has: all of it where that
/// is root's, nothing where that is anyone's, and what its unit gives to a service that is not root's.
enum class Reach {
  own_files,   ///< for remote peers: nothing
  local_files  ///< for local peers: reading any file and writing the marker, wherever the collect directory
               ///< is
};

enum class Programs { forbidden, allowed };

struct Confinement {
  pid_t supervisor = 0;      ///< the parent with which the worker shall die
  std::optional<User> user;  ///< whom to become; absent: we are not root and stay who we are
  Reach reach = Reach::own_files;
  Programs programs = Programs::forbidden;
  std::vector<int> writable;  ///< descriptors of the directories below which it may write
};

/// Closes every descriptor but the standard streams and these (-1 is none), and leaves the terminal: the
/// supervisor's log, its signals and its other workers are none of this process's business, nor is what a
/// person sees or types. Memory that is shared with others and could be written (the index of the catalog's
/// log is such) is unmapped for the same reason. Of the standard streams only the error output stays, unless
/// it is a terminal.
void keep_only(std::vector<int> descriptors);

/// Applies, in this order: limits (no core files; address space), the identity, capabilities, no_new_privs,
/// Landlock where the kernel has it (version 2 or later), death with the parent. Throws std::runtime_error
/// when a step that was asked for fails. Returns a sentence about what this kernel could not do, empty when
/// all was applied. For a process with one thread.
std::string confine(const Confinement& confinement);

}  // namespace peerstage::daemon

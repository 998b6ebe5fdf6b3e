#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "daemon/landlock.h"
#include "daemon/system_call_filter.h"
#include "daemon/user.h"

/// Takes from a worker what it does not need, before it meets its peer.
namespace peerstage::daemon {

/// What a worker keeps beside the backup user's own rights, of what its supervisor has: all of it where that
/// is root's, nothing where that is anyone's, and what its unit gives to a service that is not root's.
enum class Reach {
  own_files,   ///< for remote peers: nothing
  every_file,  ///< reading any file
  local_files  ///< for local peers: that, and writing the marker, wherever the collect directory is
};

/// What a worker needs of the machine.
struct Needs {
  std::vector<std::pair<int, FileAccess>> directories;    ///< descriptors
  std::vector<std::pair<std::string, FileAccess>> paths;  ///< links are followed; what does not exist is
                                                          ///< passed over
  std::optional<std::vector<std::uint16_t>> ports;        ///< to connect to over TCP; absent: any
};

struct Confinement {
  pid_t supervisor = 0;      ///< the parent with which the worker shall die; 0: it outlives it
  std::optional<User> user;  ///< whom to become; absent: we are not root and stay who we are
  Reach reach = Reach::own_files;
  Programs programs = Programs::forbidden;
  Network network = Network::forbidden;
  std::function<Needs()> needs;  ///< asked as that user, when nothing is forbidden yet
};

/// Closes every descriptor but the standard streams and these (-1 is none), and leaves the terminal: the
/// supervisor's log, its signals and its other workers are none of this process's business, nor is what a
/// person sees or types. Memory that is shared with others and could be written (the index of the catalog's
/// log is such) is unmapped for the same reason. Of the standard streams only the error output stays, unless
/// it is a terminal.
void keep_only(std::vector<int> descriptors);

/// What a process needs that reads whatever its user can, writes nothing and connects to anywhere.
Needs reading_everything();

/// Applies, in this order: limits (no core files; address space; no more descriptors than now), the identity,
/// capabilities, no_new_privs, death with the parent, Landlock and a filter of system calls, each where the
/// kernel has it. Throws std::runtime_error when a step fails that the kernel could do. For a process with
/// one thread.
void confine(const Confinement& confinement);

/// A sentence about what this kernel cannot do for the confinement of workers; empty when it can do
/// everything.
std::string lacking_confinement();

/// For a supervisor, before it starts workers. Where there is no Landlock, a worker that is of the same user
/// could look into this process through /proc: from now on nobody but root can. Returns
/// lacking_confinement().
std::string get_ready_to_confine();

}  // namespace peerstage::daemon

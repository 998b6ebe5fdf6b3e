#pragma once

#include <string>
#include <vector>

#include "peers/command.h"

/// What holds for a command on any machine.
namespace peerstage::peers {

/// Throws PeerError, permanent, for a command that cannot be run as it is told: one without words or with
/// both words and a line, a line that something would have to be wrapped around, a name that is none, a
/// directory that is not absolute. `machine` is what the sentence calls it.
void judge_command(const Command& command, const std::string& machine);

/// What sentences call it: its first word or its line, printable and not too long.
std::string command_name(const Command& command);

/// How the one who is at work on a machine becomes the user of a command.
enum class BecomeWay {
  not_needed,
  as_root,  ///< with runuser(1), which asks nobody
  with_sudo
};

/// The words that run the command with its user, group, umask, directory and environment where there is no
/// system call for it but a POSIX machine: through sudo or runuser, and `sh -c` for what remains. Just its
/// own words where nothing is asked for, so that rules about commands (in sudoers(5), say) see them.
std::vector<std::string> wrapped_words(const Command& command, BecomeWay way);

/// Throws PeerError, permanent, where the result is sudo's and not the command's: it never ran.
void judge_sudo(const Command& command, const CommandResult& result, const std::string& machine);

/// That somebody else than `self` was asked for, and may not be.
[[noreturn]] void refuse_user(const Command& command, const std::string& self, const std::string& machine);

}  // namespace peerstage::peers

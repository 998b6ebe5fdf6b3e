#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace peerstage::peers {

enum class CommandStream { output, error };

/// A command for a machine, this one or one behind SSH; see Connection::run.
struct Command {
  std::vector<std::string> argv;  ///< quoted by the connection, so that the command sees exactly these words
  /// Instead of argv: handed to the machine's shell byte for byte. Nothing may be wrapped around it, so none
  /// of user, group, umask, directory and environment goes with it.
  std::string shell_line;
  std::string input;                      ///< a command may end without having read it
  std::chrono::milliseconds deadline{0};  ///< total; 0: none
  /// Called once, right before the machine is asked to run it: whatever failed earlier has run nothing. Must
  /// not throw.
  std::function<void()> begins = {};
  /// What came on a stream, as it comes: raw bytes, in pieces of any size, kept or not. Must not throw.
  std::function<void(CommandStream, std::string_view)> heard = {};
  std::size_t output_limit =
      64U << 10U;  ///< bytes kept of each stream; the rest is read, counted and dropped
  std::chrono::milliseconds idle_deadline{
      0};  ///< for so long it may say nothing on either stream; 0: for ever

  /// Who runs it, by name; empty: whoever is at work there, with the group that he has. root becomes anybody,
  /// anybody else nobody but himself, unless `sudo` lets him try sudo(8), which must not ask for a password.
  std::string user, group;
  config::Sudo sudo = config::Sudo::never;
  std::optional<std::uint32_t> umask;  ///< absent: as it is there
  std::string directory;               ///< absolute; empty: where commands begin there
  /// In addition to what there is. Names are [A-Za-z_][A-Za-z0-9_]*.
  std::map<std::string, std::string> environment;
};

struct CommandResult {
  /// As a shell has it, 127 stands for a command that does not exist, and 126 for one that could not be
  /// begun, because of its rights or its directory; the error output says why. Absent: ended by a signal, or
  /// there was not exactly one status.
  std::optional<int> exit_status;
  /// "KILL", ... when a signal ended it. A shell that stands above it (some login shells do, behind SSH)
  /// makes an exit status of it instead, 128 and its number.
  std::string signal;
  std::string output, error_output;                 ///< raw bytes: not printable
  std::uint64_t output_bytes = 0, error_bytes = 0;  ///< in all, kept or not
  /// It has ended, but something that it started has its streams and goes on: what that says from now on is
  /// not heard.
  bool left_open = false;

  bool succeeded() const { return exit_status == 0 && signal.empty(); }
};

/// For connections: `bytes` came on a stream of the command. Tells `heard`, counts all, keeps what the limit
/// lets it.
void take_output(const Command& command, CommandResult& result, CommandStream stream, std::string_view bytes);

}  // namespace peerstage::peers

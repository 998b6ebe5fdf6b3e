#pragma once

#include <string>
#include <vector>

#include "config/finding.h"
#include "config/stage_plan.h"
#include "config/units.h"

namespace peerstage::config {

enum class SshProgram { scp, ssh };

/// What the options of an scp or ssh command say.
struct SshCommand {
  struct Notice {
    Severity severity;
    std::string message;
  };
  SshSettings settings;  ///< host (with %h for the peer's name) and user are empty unless an -o names them
  ByteCount bandwidth_limit;  ///< of scp's -l; 0: none
  std::vector<Notice> notices;
};

/// Words as Cedar Backup splits a command: separated by the space character, or in double quotes, which do
/// not glue.
std::vector<std::string> split_command(const std::string& command);

/// Reads a command as getopt(3) and ssh(1) do: of several values the one counts that OpenSSH takes.
/// Everything that cannot be honoured is an error among the notices.
SshCommand read_ssh_command(const std::string& command, SshProgram program);

}  // namespace peerstage::config

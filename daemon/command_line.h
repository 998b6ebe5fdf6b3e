#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/exit_code.h"
#include "daemon/log.h"
#include "daemon/progress.h"

namespace peerstage::daemon {

enum class Managed { local, also, only };

/// `peerstage [switches] ACTION...`
struct RunCommand {
  /// At least one. Whether they exist and go together is for others to judge.
  std::vector<std::string> actions;
  std::optional<std::string> config_path;  ///< absent: config::default_path()
  LogFile log;
  Verbosity verbosity = Verbosity::errors;
  Managed managed = Managed::local;
  ProgressChoice progress = ProgressChoice::automatic;
  std::vector<std::string> peers;  ///< only these; empty: all
  bool full = false;
  bool log_command_output = false;
  bool stack = false;  ///< let unexpected errors end the program with a core dump
  bool json = false;
  bool dry_run = false;
};

/// `peerstage check`
struct CheckCommand {
  std::optional<std::string> config_path;
  bool json = false;
};

/// `peerstage trust PEER`
struct TrustCommand {
  std::string peer;
  std::optional<std::string> config_path;
  bool yes = false;
};

enum class OutputStream { standard_output, standard_error };

/// Nothing is left to do but to print a text and to end.
struct EarlyExit {
  ExitCode code = ExitCode::ok;
  OutputStream stream = OutputStream::standard_output;
  std::string text;
};

using CommandLine = std::variant<RunCommand, CheckCommand, TrustCommand, EarlyExit>;

/// Understands the arguments (without the program's name). The grammar is that of Cedar Backup 3: getopt_long
/// with unique abbreviations, where the long form of a switch wins over the short one and the last of the
/// same form counts. In addition, switches may follow the words. Never throws for what a user typed, does not
/// print, touches no file.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

}  // namespace peerstage::daemon

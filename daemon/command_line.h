#pragma once

#include <chrono>
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

/// `peerstage schedule`
struct ScheduleCommand {
  std::optional<std::string> config_path;
  std::vector<std::string> jobs;  ///< only these; empty: all
  unsigned count = 10;            ///< runs of each job
  bool json = false;
};

/// `peerstage daemon`
struct DaemonCommand {
  std::optional<std::string> config_path;
  LogFile log;
  Verbosity verbosity = Verbosity::errors;
};

/// `peerstage history`
struct HistoryCommand {
  std::optional<std::string> config_path;
  std::optional<std::string> peer;
  std::optional<std::string> since;  ///< YYYY-MM-DD, or a duration like 7d; judged by the command
  unsigned limit = 20;
  bool json = false;
};

/// `peerstage files PEER DATE`
struct FilesCommand {
  std::optional<std::string> config_path;
  std::string peer;
  std::chrono::year_month_day date{};
  bool json = false;
};

/// `peerstage rebuild`
struct RebuildCommand {
  std::optional<std::string> config_path;
};

/// `peerstage verify [DATE]`
struct VerifyCommand {
  std::optional<std::string> config_path;
  std::optional<std::chrono::year_month_day> date;  ///< absent: every day that is there
  std::vector<std::string> peers;                   ///< only these; empty: all
  bool json = false;
};

/// How a command finds the daemon.
struct ControlAddress {
  std::optional<std::string> config_path;
  std::optional<std::string> socket;  ///< wins over the configuration
};

/// `peerstage status`
struct StatusCommand {
  ControlAddress address;
  std::vector<std::string> peers;  ///< only these; empty: all
  bool watch = false;
  bool json = false;
  bool check = false;  ///< as a plugin of Nagios or Icinga
};

/// `peerstage run JOB`, or `peerstage run --peer NAME`
struct StartCommand {
  ControlAddress address;
  std::optional<std::string> job;
  std::vector<std::string> peers;
  bool full = false;
  bool follow = false;  ///< until the run is over, and with its status
  bool json = false;
};

/// `peerstage cancel [RUN]`
struct CancelCommand {
  ControlAddress address;
  std::string run;  ///< empty: the one that is going on
  bool json = false;
};

/// `peerstage pause`, `resume` and `reload`
struct SteerCommand {
  enum class What { pause, resume, reload };
  ControlAddress address;
  What what = What::pause;
  bool json = false;
};

/// `peerstage exec -- COMMAND...`
struct ExecCommand {
  std::optional<std::string> config_path;
  std::vector<std::string> peers, groups;            ///< only these; both empty: every peer
  std::vector<std::string> argv;                     ///< at least one word, the first not empty
  std::optional<std::string> user;                   ///< absent: the one who logs in
  std::optional<std::chrono::milliseconds> timeout;  ///< 0: none
  bool gather = false;                               ///< a peer's output in one piece, when it has ended
  bool json = false;
};

enum class OutputStream { standard_output, standard_error };

/// Nothing is left to do but to print a text and to end.
struct EarlyExit {
  ExitCode code = ExitCode::ok;
  OutputStream stream = OutputStream::standard_output;
  std::string text;
};

using CommandLine = std::variant<RunCommand, CheckCommand, TrustCommand, ScheduleCommand, DaemonCommand,
                                 HistoryCommand, FilesCommand, RebuildCommand, VerifyCommand, StatusCommand,
                                 StartCommand, CancelCommand, SteerCommand, ExecCommand, EarlyExit>;

/// Understands the arguments (without the program's name). The grammar is that of Cedar Backup 3: getopt_long
/// with unique abbreviations, where the long form of a switch wins over the short one and the last of the
/// same form counts. In addition, switches may follow the words. Never throws for what a user typed, does not
/// print, touches no file.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

}  // namespace peerstage::daemon

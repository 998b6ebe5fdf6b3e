#include "daemon/own_commands.h"

#include <algorithm>
#include <chrono>

#include "config/values.h"
#include "daemon/log_switches.h"
#include "daemon/usage.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

std::chrono::year_month_day parse_date(const std::string& text) {
  const auto date = parse_iso_date(text);
  if (!date) throw UsageError("'" + peers::printable(text) + "' is no date like 2026-11-20");
  return *date;
}

std::chrono::milliseconds parse_timeout(const std::string& text) {
  try {
    return config::as_duration(text);
  } catch (const config::BadValue& wrong) {
    throw UsageError("--timeout " + std::string(wrong.what()) + ", '" + peers::printable(text) +
                     "' is not that");
  }
}

CommandLine check_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'check' stands alone, without actions or other words");
  return CheckCommand{text_value(arguments, "config"), arguments.has("json")};
}

CommandLine trust_command(const Arguments& arguments) {
  expect_words(arguments, 2, "'trust' needs the name of exactly one peer");
  return TrustCommand{arguments.words[1], text_value(arguments, "config"), arguments.has("yes")};
}

CommandLine schedule_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'schedule' stands alone; --job NAME shows one job");
  ScheduleCommand command{text_value(arguments, "config"), text_values(arguments, "job"), 10,
                          arguments.has("json")};
  command.count = number_value(arguments, "count").value_or(command.count);
  return command;
}

CommandLine daemon_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'daemon' stands alone");
  return DaemonCommand{text_value(arguments, "config"), log_file(arguments), verbosity(arguments)};
}

CommandLine history_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'history' stands alone; --peer NAME shows one peer");
  HistoryCommand command{text_value(arguments, "config"), text_value(arguments, "peer"),
                         text_value(arguments, "since"), 20, arguments.has("json")};
  command.limit = number_value(arguments, "limit").value_or(command.limit);
  return command;
}

CommandLine files_command(const Arguments& arguments) {
  expect_words(arguments, 3, "'files' needs the name of a peer and a date, e.g. 'files web1 2026-11-20'");
  return FilesCommand{text_value(arguments, "config"), arguments.words[1], parse_date(arguments.words[2]),
                      arguments.has("json")};
}

CommandLine rebuild_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'rebuild' stands alone");
  return RebuildCommand{text_value(arguments, "config")};
}

CommandLine verify_command(const Arguments& arguments) {
  VerifyCommand command{text_value(arguments, "config"), std::nullopt, text_values(arguments, "peer"),
                        arguments.has("json")};
  if (arguments.words.size() > 1) {
    expect_words(arguments, 2, "'verify' takes one date at most");
    command.date = parse_date(arguments.words[1]);
  }
  return command;
}

ControlAddress control_address(const Arguments& arguments) {
  return {text_value(arguments, "config"), text_value(arguments, "socket")};
}

CommandLine status_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'status' stands alone; --peer NAME shows one peer");
  const int styles = static_cast<int>(arguments.has("watch")) + static_cast<int>(arguments.has("json")) +
                     static_cast<int>(arguments.has("check"));
  if (styles > 1) throw UsageError("--watch, --json and --check exclude each other");
  return StatusCommand{control_address(arguments), text_values(arguments, "peer"), arguments.has("watch"),
                       arguments.has("json"), arguments.has("check")};
}

CommandLine start_command(const Arguments& arguments) {
  StartCommand command{control_address(arguments),     std::nullopt,
                       text_values(arguments, "peer"), arguments.has("full"),
                       arguments.has("follow"),        arguments.has("json")};
  if (arguments.words.size() > 1) {
    expect_words(arguments, 2, "'run' takes one job at a time");
    command.job = arguments.words[1];
  }
  if (command.job.has_value() != command.peers.empty())
    throw UsageError("'run' needs either a job, e.g. 'run nightly', or peers, e.g. 'run --peer web1'");
  if (command.job && command.full)
    throw UsageError("--full is for peers; a job says itself whether it is full");
  return command;
}

CommandLine cancel_command(const Arguments& arguments) {
  CancelCommand command{control_address(arguments), "", arguments.has("json")};
  if (arguments.words.size() > 1) {
    expect_words(arguments, 2, "'cancel' takes one run at most");
    command.run = arguments.words[1];
  }
  return command;
}

template <SteerCommand::What what>
CommandLine steer_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'" + arguments.words.front() + "' stands alone");
  return SteerCommand{control_address(arguments), what, arguments.has("json")};
}

CommandLine exec_command_line(const Arguments& arguments) {
  const char* const shape = "'exec' needs -- and then the command, e.g. 'exec --peer web1 -- df -h'";
  if (!arguments.after_dashes || arguments.after_dashes->empty()) throw UsageError(shape);
  if (arguments.words.size() != 1 + arguments.after_dashes->size()) throw UsageError(shape);
  if (arguments.after_dashes->front().empty()) throw UsageError("the command of 'exec' is empty");
  ExecCommand command;
  command.config_path = text_value(arguments, "config");
  command.peers = text_values(arguments, "peer");
  command.groups = text_values(arguments, "group");
  command.argv = *arguments.after_dashes;
  command.user = text_value(arguments, "user");
  command.timeout = arguments.value("timeout", parse_timeout);
  command.gather = arguments.has("gather");
  command.json = arguments.has("json");
  return command;
}

const std::vector<OwnCommand>& own_commands() {
  static const std::vector<OwnCommand> commands{
      {"check", check_usage, {"config", "json"}, check_command},
      {"trust", trust_usage, {"config", "yes"}, trust_command},
      {"schedule", schedule_usage, {"config", "json", "job", "count"}, schedule_command},
      {"daemon",
       daemon_usage,
       {"config", "logfile", "owner", "mode", "debug", "verbose", "quiet"},
       daemon_command},
      {"history", history_usage, {"config", "json", "peer", "since", "limit"}, history_command},
      {"files", files_usage, {"config", "json"}, files_command},
      {"rebuild", rebuild_usage, {"config"}, rebuild_command},
      {"verify", verify_usage, {"config", "json", "peer"}, verify_command},
      {"status", status_usage, {"config", "socket", "json", "watch", "check", "peer"}, status_command},
      {"run", start_usage, {"config", "socket", "json", "peer", "full", "follow"}, start_command},
      {"cancel", cancel_usage, {"config", "socket", "json"}, cancel_command},
      {"pause", steer_usage, {"config", "socket", "json"}, steer_command<SteerCommand::What::pause>},
      {"resume", steer_usage, {"config", "socket", "json"}, steer_command<SteerCommand::What::resume>},
      {"reload", steer_usage, {"config", "socket", "json"}, steer_command<SteerCommand::What::reload>},
      {"exec",
       exec_usage,
       {"config", "json", "peer", "group", "user", "timeout", "gather"},
       exec_command_line},
  };
  return commands;
}

/// Refuses switches that have no meaning for one of our own commands.
void allow_only(const Arguments& arguments, const OwnCommand& command) {
  for (const auto& [name, occurrences] : arguments.switches)
    if (std::ranges::find(command.switches, name) == command.switches.end())
      throw UsageError("--" + name + " has no meaning for '" + command.name + "'");
}

}  // namespace

const OwnCommand* find_own_command(const std::string& word) {
  for (const OwnCommand& command : own_commands())
    if (word == command.name) return &command;
  return nullptr;
}

CommandLine understand_own(const OwnCommand& command, const Arguments& arguments) {
  if (arguments.has("help")) return EarlyExit{ExitCode::ok, OutputStream::standard_output, command.usage};
  allow_only(arguments, command);
  return command.understand(arguments);
}

}  // namespace peerstage::daemon

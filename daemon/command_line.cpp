#include "daemon/command_line.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <stdexcept>
#include <string_view>

#include <boost/program_options.hpp>

#include "daemon/diagnostics.h"
#include "daemon/usage.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace po = boost::program_options;

/// The command line is wrong; the message says why.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Whose switches are known: those of one group abbreviate as they do in Cedar Backup, whatever the other
/// has.
enum class Vocabulary { actions, own_commands };

po::options_description description(Vocabulary vocabulary) {
  po::options_description switches;
  const auto value = [] { return po::value<std::string>(); };
  switches.add_options()("help,h", "")("version,V", "")("diagnostics,D", "");
  switches.add_options()("verbose,b", "")("quiet,q", "")("debug,d", "")("output,O", "")("stack,s", "");
  switches.add_options()("full,f", "")("managed,M", "")("managed-only,N", "");
  switches.add_options()("config,c", value(), "");
  switches.add_options()("logfile,l", value(), "")("owner,o", value(), "")("mode,m", value(), "");
  switches.add_options()("json", "")("dry-run", "")("yes", "")("peer", value(), "")("progress", value(), "");
  if (vocabulary == Vocabulary::actions) return switches;
  switches.add_options()("job", value(), "")("count", value(), "")("since", value(), "")("limit", value(),
                                                                                         "");
  switches.add_options()("socket", value(), "")("watch", "")("check", "")("follow", "");
  return switches;
}

/// Everything that was typed for one switch.
struct Occurrences {
  std::vector<std::string> short_form, long_form;
};

/// The arguments, taken apart but not yet understood.
struct Arguments {
  std::map<std::string, Occurrences> switches;  ///< by long name
  std::vector<std::string> words;

  bool has(const std::string& name) const { return switches.contains(name); }
  std::vector<std::string> all(const std::string& name) const;
  template <typename Parse>
  auto value(const std::string& name, Parse parse) const -> std::optional<decltype(parse(std::string()))>;
};

std::vector<std::string> Arguments::all(const std::string& name) const {
  const auto found = switches.find(name);
  return found == switches.end() ? std::vector<std::string>() : found->second.long_form;
}

/// The value that counts: the last of the long form, else the last of the short one. Both have to be right.
template <typename Parse>
auto Arguments::value(const std::string& name, Parse parse) const
    -> std::optional<decltype(parse(std::string()))> {
  std::optional<decltype(parse(std::string()))> result;
  const auto found = switches.find(name);
  if (found == switches.end()) return result;
  if (!found->second.short_form.empty()) result = parse(found->second.short_form.back());
  if (!found->second.long_form.empty()) result = parse(found->second.long_form.back());
  return result;
}

/// Switches out of a bundle come without tokens, and are short ones.
bool is_long_form(const po::option& option) {
  return !option.original_tokens.empty() && option.original_tokens.front().starts_with("--");
}

/// program_options' own storing refuses repeated switches and forgets which form was used, so we store
/// ourselves.
Arguments take_apart(const std::vector<std::string>& typed, Vocabulary vocabulary) {
  using namespace po::command_line_style;
  const po::options_description switches = description(vocabulary);
  const auto parsed =
      po::command_line_parser(typed)
          .options(switches)
          .style(allow_long | allow_short | allow_dash_for_short | short_allow_adjacent | short_allow_next |
                 long_allow_adjacent | long_allow_next | allow_sticky | allow_guessing)
          .run();
  Arguments arguments;
  for (const auto& option : parsed.options) {
    if (option.string_key.empty()) {
      arguments.words.insert(arguments.words.end(), option.value.begin(), option.value.end());
      continue;
    }
    Occurrences& occurrences = arguments.switches[option.string_key];
    (is_long_form(option) ? occurrences.long_form : occurrences.short_form)
        .push_back(option.value.empty() ? std::string() : option.value.front());
  }
  return arguments;
}

std::string non_empty(const char* name, const std::string& text) {
  if (text.empty()) throw UsageError(std::string("--") + name + " needs a value that is not empty");
  return text;
}

std::optional<std::string> path_value(const Arguments& arguments, const char* name) {
  return arguments.value(name, [name](const std::string& text) { return non_empty(name, text); });
}

LogOwner parse_owner(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    throw UsageError("--owner needs USER:GROUP, '" + peers::printable(text) + "' is not that");
  return {text.substr(0, colon), text.substr(colon + 1)};
}

config::FileMode parse_mode(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with("0o") || digits.starts_with("0O")) digits.remove_prefix(2);
  std::uint32_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 8);
  if (error != std::errc() || end != digits.data() + digits.size() || bits > 0777)
    throw UsageError("--mode needs octal permissions like 640, '" + peers::printable(text) + "' is not that");
  return {bits};
}

ProgressChoice parse_progress(const std::string& text) {
  if (text == "auto") return ProgressChoice::automatic;
  if (text == "always") return ProgressChoice::always;
  if (text == "never") return ProgressChoice::never;
  throw UsageError("--progress needs auto, always or never, not '" + peers::printable(text) + "'");
}

EarlyExit help(const char* usage, OutputStream stream) {
  return {ExitCode::ok, stream, usage};
}

EarlyExit version() {
  return {ExitCode::ok, OutputStream::standard_output, "peerstage " PEERSTAGE_VERSION "\n"};
}

EarlyExit show_diagnostics() {
  EarlyExit result;
  for (const auto& line : diagnostics()) result.text += line + "\n";
  return result;
}

Verbosity verbosity(const Arguments& arguments) {
  if (arguments.has("quiet")) return Verbosity::quiet;
  return arguments.has("verbose") ? Verbosity::verbose : Verbosity::errors;
}

std::vector<std::string> all_named(const Arguments& arguments, const char* name) {
  auto names = arguments.all(name);
  for (const auto& text : names) non_empty(name, text);
  return names;
}

LogFile log_file(const Arguments& arguments) {
  LogFile log;
  log.path = path_value(arguments, "logfile");
  log.owner = arguments.value("owner", parse_owner).value_or(log.owner);
  log.mode = arguments.value("mode", parse_mode).value_or(log.mode);
  if (arguments.has("debug")) log.threshold = peers::EventLevel::debug;
  return log;
}

std::optional<unsigned> number_value(const Arguments& arguments, const char* name) {
  return arguments.value(name, [name](const std::string& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > 100'000) {
      throw UsageError(std::string("--") + name + " needs a number from 1 to 100000, '" +
                       peers::printable(text) + "' is not that");
    }
    return number;
  });
}

std::chrono::year_month_day parse_date(const std::string& text) {
  const auto date = parse_iso_date(text);
  if (!date) throw UsageError("'" + peers::printable(text) + "' is no date like 2026-11-20");
  return *date;
}

void expect_words(const Arguments& arguments, std::size_t count, const std::string& what) {
  if (arguments.words.size() != count || std::ranges::count(arguments.words, std::string()) > 0)
    throw UsageError(what);
}

CommandLine check_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'check' stands alone, without actions or other words");
  return CheckCommand{path_value(arguments, "config"), arguments.has("json")};
}

CommandLine trust_command(const Arguments& arguments) {
  expect_words(arguments, 2, "'trust' needs the name of exactly one peer");
  return TrustCommand{arguments.words[1], path_value(arguments, "config"), arguments.has("yes")};
}

CommandLine schedule_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'schedule' stands alone; --job NAME shows one job");
  ScheduleCommand command{path_value(arguments, "config"), all_named(arguments, "job"), 10,
                          arguments.has("json")};
  command.count = number_value(arguments, "count").value_or(command.count);
  return command;
}

CommandLine daemon_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'daemon' stands alone");
  return DaemonCommand{path_value(arguments, "config"), log_file(arguments), verbosity(arguments)};
}

CommandLine history_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'history' stands alone; --peer NAME shows one peer");
  HistoryCommand command{path_value(arguments, "config"), path_value(arguments, "peer"),
                         path_value(arguments, "since"), 20, arguments.has("json")};
  command.limit = number_value(arguments, "limit").value_or(command.limit);
  return command;
}

CommandLine files_command(const Arguments& arguments) {
  expect_words(arguments, 3, "'files' needs the name of a peer and a date, e.g. 'files web1 2026-11-20'");
  return FilesCommand{path_value(arguments, "config"), arguments.words[1], parse_date(arguments.words[2]),
                      arguments.has("json")};
}

CommandLine rebuild_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'rebuild' stands alone");
  return RebuildCommand{path_value(arguments, "config")};
}

CommandLine verify_command(const Arguments& arguments) {
  VerifyCommand command{path_value(arguments, "config"), std::nullopt, all_named(arguments, "peer"),
                        arguments.has("json")};
  if (arguments.words.size() > 1) {
    expect_words(arguments, 2, "'verify' takes one date at most");
    command.date = parse_date(arguments.words[1]);
  }
  return command;
}

ControlAddress control_address(const Arguments& arguments) {
  return {path_value(arguments, "config"), path_value(arguments, "socket")};
}

CommandLine status_command(const Arguments& arguments) {
  expect_words(arguments, 1, "'status' stands alone; --peer NAME shows one peer");
  const int styles = static_cast<int>(arguments.has("watch")) + static_cast<int>(arguments.has("json")) +
                     static_cast<int>(arguments.has("check"));
  if (styles > 1) throw UsageError("--watch, --json and --check exclude each other");
  return StatusCommand{control_address(arguments), all_named(arguments, "peer"), arguments.has("watch"),
                       arguments.has("json"), arguments.has("check")};
}

CommandLine start_command(const Arguments& arguments) {
  StartCommand command{control_address(arguments),   std::nullopt,
                       all_named(arguments, "peer"), arguments.has("full"),
                       arguments.has("follow"),      arguments.has("json")};
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

/// A command of our own: what it is called, what may be said with it, and how it is understood.
struct OwnCommand {
  const char* name;
  const char* usage;
  std::vector<std::string_view> switches;
  CommandLine (*understand)(const Arguments&);
};

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
  };
  return commands;
}

const OwnCommand* find_own_command(const std::string& word) {
  for (const OwnCommand& command : own_commands())
    if (word == command.name) return &command;
  return nullptr;
}

/// Refuses switches that have no meaning for one of our own commands.
void allow_only(const Arguments& arguments, const OwnCommand& command) {
  for (const auto& [name, occurrences] : arguments.switches)
    if (std::ranges::find(command.switches, name) == command.switches.end())
      throw UsageError("--" + name + " has no meaning for '" + command.name + "'");
}

CommandLine understand_own(const OwnCommand& command, const Arguments& arguments) {
  if (arguments.has("help")) return help(command.usage, OutputStream::standard_output);
  allow_only(arguments, command);
  return command.understand(arguments);
}

Managed managed(const Arguments& arguments) {
  if (arguments.has("managed-only")) {
    if (arguments.has("managed")) throw UsageError("--managed and --managed-only exclude each other");
    return Managed::only;
  }
  return arguments.has("managed") ? Managed::also : Managed::local;
}

void check_words(const Arguments& arguments) {
  if (arguments.words.empty()) throw UsageError("no action was given, e.g. 'stage'");
  for (const auto& word : arguments.words)
    if (find_own_command(word) != nullptr) throw UsageError("'" + word + "' cannot be combined with actions");
  if (arguments.has("yes")) throw UsageError("--yes has no meaning for actions");
}

CommandLine run_command(const Arguments& arguments) {
  RunCommand run;
  run.config_path = path_value(arguments, "config");
  run.log = log_file(arguments);
  run.progress = arguments.value("progress", parse_progress).value_or(run.progress);
  run.peers = all_named(arguments, "peer");
  if (arguments.has("help")) return help(main_usage, OutputStream::standard_error);
  if (arguments.has("version")) return version();
  if (arguments.has("diagnostics")) return show_diagnostics();
  check_words(arguments);
  run.actions = arguments.words;
  run.verbosity = verbosity(arguments);
  run.managed = managed(arguments);
  run.full = arguments.has("full");
  run.log_command_output = arguments.has("output") || arguments.has("debug");
  run.stack = arguments.has("stack");
  run.json = arguments.has("json");
  run.dry_run = arguments.has("dry-run");
  return run;
}

CommandLine understand(const std::vector<std::string>& typed) {
  const bool own = std::ranges::any_of(
      typed, [](const std::string& argument) { return find_own_command(argument) != nullptr; });
  const Arguments arguments = take_apart(typed, own ? Vocabulary::own_commands : Vocabulary::actions);
  const std::string first = arguments.words.empty() ? std::string() : arguments.words.front();
  if (const OwnCommand* command = find_own_command(first)) return understand_own(*command, arguments);
  return run_command(arguments);
}

/// With the usage of the command of our own that was meant.
EarlyExit wrong(const std::vector<std::string>& typed, const std::string& message) {
  const OwnCommand* command = typed.empty() ? nullptr : find_own_command(typed.front());
  return {ExitCode::command_line, OutputStream::standard_error,
          std::string(command == nullptr ? main_usage : command->usage) + "\npeerstage: " + message + ".\n"};
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  try {
    return understand(arguments);
  } catch (const UsageError& error) {
    return wrong(arguments, error.what());
  } catch (const po::error& error) {
    return wrong(arguments, peers::printable(error.what()));
  }
}

}  // namespace peerstage::daemon

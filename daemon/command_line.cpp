#include "daemon/command_line.h"

#include <algorithm>
#include <string_view>

#include "daemon/arguments.h"
#include "daemon/diagnostics.h"
#include "daemon/log_switches.h"
#include "daemon/own_commands.h"
#include "daemon/usage.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

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

/// What the actions cannot do is said before anything is done.
void check_restrictions(const RunCommand& run) {
  for (const std::string& word : run.actions) {
    const std::string quoted = "'" + peers::printable(word) + "'";
    if (run.dry_run && word != "stage" && word != "purge")
      throw UsageError("--dry-run has no meaning for " + quoted + ", only for stage and purge");
    if (!run.peers.empty() && word != "stage" && run.managed != Managed::only)
      throw UsageError("--peer has no meaning for " + quoted + " on this machine, only for stage");
  }
  if (run.dry_run && run.managed != Managed::local)
    throw UsageError("--dry-run has no meaning for managed actions: peers cannot be asked to change nothing");
}

CommandLine run_command(const Arguments& arguments) {
  RunCommand run;
  run.config_path = text_value(arguments, "config");
  run.log = log_file(arguments);
  run.progress = arguments.value("progress", parse_progress).value_or(run.progress);
  run.peers = text_values(arguments, "peer");
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
  check_restrictions(run);
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
  }
}

}  // namespace peerstage::daemon

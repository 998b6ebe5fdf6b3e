#include "daemon/command_line.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string_view>

#include <boost/program_options.hpp>

#include "daemon/diagnostics.h"
#include "daemon/usage.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace po = boost::program_options;

/// The command line is wrong; the message says why.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

po::options_description description() {
  po::options_description switches;
  const auto value = [] { return po::value<std::string>(); };
  switches.add_options()("help,h", "")("version,V", "")("diagnostics,D", "");
  switches.add_options()("verbose,b", "")("quiet,q", "")("debug,d", "")("output,O", "")("stack,s", "");
  switches.add_options()("full,f", "")("managed,M", "")("managed-only,N", "");
  switches.add_options()("config,c", value(), "");
  switches.add_options()("logfile,l", value(), "")("owner,o", value(), "")("mode,m", value(), "");
  switches.add_options()("json", "")("dry-run", "")("yes", "")("peer", value(), "")("progress", value(), "");
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
Arguments take_apart(const std::vector<std::string>& typed) {
  using namespace po::command_line_style;
  const po::options_description switches = description();
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

/// Refuses switches that have no meaning for one of our own commands.
void allow_only(const Arguments& arguments, const std::string& command,
                std::initializer_list<std::string_view> allowed) {
  for (const auto& [name, occurrences] : arguments.switches)
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end())
      throw UsageError("--" + name + " has no meaning for '" + command + "'");
}

bool is_own_command(const std::string& word) {
  return word == "check" || word == "trust";
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

CommandLine check_command(const Arguments& arguments) {
  if (arguments.has("help")) return help(check_usage, OutputStream::standard_output);
  allow_only(arguments, "check", {"config", "json"});
  if (arguments.words.size() != 1) throw UsageError("'check' stands alone, without actions or other words");
  return CheckCommand{path_value(arguments, "config"), arguments.has("json")};
}

CommandLine trust_command(const Arguments& arguments) {
  if (arguments.has("help")) return help(trust_usage, OutputStream::standard_output);
  allow_only(arguments, "trust", {"config", "yes"});
  if (arguments.words.size() != 2 || arguments.words[1].empty())
    throw UsageError("'trust' needs the name of exactly one peer");
  return TrustCommand{arguments.words[1], path_value(arguments, "config"), arguments.has("yes")};
}

Managed managed(const Arguments& arguments) {
  if (arguments.has("managed-only")) {
    if (arguments.has("managed")) throw UsageError("--managed and --managed-only exclude each other");
    return Managed::only;
  }
  return arguments.has("managed") ? Managed::also : Managed::local;
}

Verbosity verbosity(const Arguments& arguments) {
  if (arguments.has("quiet")) return Verbosity::quiet;
  return arguments.has("verbose") ? Verbosity::verbose : Verbosity::errors;
}

std::vector<std::string> peers_named(const Arguments& arguments) {
  auto names = arguments.all("peer");
  for (const auto& name : names) non_empty("peer", name);
  return names;
}

void check_words(const Arguments& arguments) {
  if (arguments.words.empty()) throw UsageError("no action was given, e.g. 'stage'");
  for (const auto& word : arguments.words)
    if (is_own_command(word)) throw UsageError("'" + word + "' cannot be combined with actions");
  if (arguments.has("yes")) throw UsageError("--yes has no meaning for actions");
}

CommandLine run_command(const Arguments& arguments) {
  RunCommand run;
  run.config_path = path_value(arguments, "config");
  run.log.path = path_value(arguments, "logfile");
  run.log.owner = arguments.value("owner", parse_owner).value_or(run.log.owner);
  run.log.mode = arguments.value("mode", parse_mode).value_or(run.log.mode);
  run.progress = arguments.value("progress", parse_progress).value_or(run.progress);
  run.peers = peers_named(arguments);
  if (arguments.has("help")) return help(main_usage, OutputStream::standard_error);
  if (arguments.has("version")) return version();
  if (arguments.has("diagnostics")) return show_diagnostics();
  check_words(arguments);
  run.actions = arguments.words;
  run.verbosity = verbosity(arguments);
  run.managed = managed(arguments);
  run.full = arguments.has("full");
  if (arguments.has("debug")) run.log.threshold = peers::EventLevel::debug;
  run.log_command_output = arguments.has("output") || arguments.has("debug");
  run.stack = arguments.has("stack");
  run.json = arguments.has("json");
  run.dry_run = arguments.has("dry-run");
  return run;
}

CommandLine understand(const Arguments& arguments) {
  const std::string first = arguments.words.empty() ? std::string() : arguments.words.front();
  if (first == "check") return check_command(arguments);
  if (first == "trust") return trust_command(arguments);
  return run_command(arguments);
}

EarlyExit wrong(const std::string& message) {
  return {ExitCode::command_line, OutputStream::standard_error,
          std::string(main_usage) + "\npeerstage: " + message + ".\n"};
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  try {
    return understand(take_apart(arguments));
  } catch (const UsageError& error) {
    return wrong(error.what());
  } catch (const po::error& error) {
    return wrong(peers::printable(error.what()));
  }
}

}  // namespace peerstage::daemon

#include "daemon/arguments.h"

#include <algorithm>
#include <charconv>

#include <boost/program_options.hpp>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace po = boost::program_options;

po::options_description description(Vocabulary vocabulary) {
  po::options_description switches;
  const auto flags = [&switches](std::initializer_list<const char*> names) {
    for (const char* name : names) switches.add_options()(name, "");
  };
  const auto values = [&switches](std::initializer_list<const char*> names) {
    for (const char* name : names) switches.add_options()(name, po::value<std::string>(), "");
  };
  flags({"help,h", "version,V", "diagnostics,D"});
  flags({"verbose,b", "quiet,q", "debug,d", "output,O", "stack,s"});
  flags({"full,f", "managed,M", "managed-only,N"});
  values({"config,c", "logfile,l", "owner,o", "mode,m"});
  flags({"json", "dry-run", "yes"});
  values({"peer", "progress"});
  if (vocabulary == Vocabulary::actions) return switches;
  values({"job", "count", "since", "limit", "socket", "group", "user", "timeout"});
  flags({"watch", "check", "follow", "gather"});
  return switches;
}

/// Switches out of a bundle come without tokens, and are short ones.
bool is_long_form(const po::option& option) {
  return !option.original_tokens.empty() && option.original_tokens.front().starts_with("--");
}

/// program_options' own storing refuses repeated switches and forgets which form was used, so we store
/// ourselves.
Arguments parse(const std::vector<std::string>& typed, Vocabulary vocabulary) {
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

/// What stands after `--` is told apart here, for program_options does not say where it was.
Arguments parse_halves(const std::vector<std::string>& typed, Vocabulary vocabulary) {
  const auto dashes = std::ranges::find(typed, "--");
  Arguments arguments = parse({typed.begin(), dashes}, vocabulary);
  if (dashes == typed.end()) return arguments;
  arguments.after_dashes.emplace(dashes + 1, typed.end());
  arguments.words.insert(arguments.words.end(), dashes + 1, typed.end());
  return arguments;
}

std::string non_empty(const char* name, const std::string& text) {
  if (text.empty()) throw UsageError(std::string("--") + name + " needs a value that is not empty");
  return text;
}

}  // namespace

std::vector<std::string> Arguments::all(const std::string& name) const {
  const auto found = switches.find(name);
  return found == switches.end() ? std::vector<std::string>() : found->second.long_form;
}

Arguments take_apart(const std::vector<std::string>& typed, Vocabulary vocabulary) {
  try {
    return vocabulary == Vocabulary::actions ? parse(typed, vocabulary) : parse_halves(typed, vocabulary);
  } catch (const po::error& error) {
    throw UsageError(peers::printable(error.what()));
  }
}

std::optional<std::string> text_value(const Arguments& arguments, const char* name) {
  return arguments.value(name, [name](const std::string& text) { return non_empty(name, text); });
}

std::vector<std::string> text_values(const Arguments& arguments, const char* name) {
  auto values = arguments.all(name);
  for (const auto& text : values) non_empty(name, text);
  return values;
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

void expect_words(const Arguments& arguments, std::size_t count, const std::string& sentence) {
  if (arguments.words.size() != count || std::ranges::count(arguments.words, std::string()) > 0)
    throw UsageError(sentence);
}

}  // namespace peerstage::daemon

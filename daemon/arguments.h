#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

/// The arguments of the command line, taken apart into switches and words, but not yet understood.
namespace peerstage::daemon {

/// The command line is wrong; the message says why.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Whose switches are known: those of one group abbreviate as they do in Cedar Backup, whatever the other
/// has.
enum class Vocabulary { actions, own_commands };

/// Everything that was typed for one switch.
struct Occurrences {
  std::vector<std::string> short_form, long_form;
};

struct Arguments {
  std::map<std::string, Occurrences> switches;  ///< by long name
  std::vector<std::string> words;               ///< those after `--`, too
  /// With own_commands: what stands after the first `--`, absent without one.
  std::optional<std::vector<std::string>> after_dashes;

  bool has(const std::string& name) const { return switches.contains(name); }
  /// Every value of the long form, in order.
  std::vector<std::string> all(const std::string& name) const;
  /// The value that counts, parsed: the last of the long form, else the last of the short one. Both have to
  /// be right.
  template <typename Parse>
  auto value(const std::string& name, Parse parse) const -> std::optional<decltype(parse(std::string()))>;
};

/// Takes the typed words apart as getopt_long does, with unique abbreviations; switches may also follow the
/// words. UsageError for what it does not know.
Arguments take_apart(const std::vector<std::string>& typed, Vocabulary vocabulary);

/// The value of `--name`, which must not be empty.
std::optional<std::string> text_value(const Arguments& arguments, const char* name);
/// All of them, none empty.
std::vector<std::string> text_values(const Arguments& arguments, const char* name);
/// A number from 1 to 100000.
std::optional<unsigned> number_value(const Arguments& arguments, const char* name);
/// Refuses, with the sentence, any other number of words than this one, and empty ones.
void expect_words(const Arguments& arguments, std::size_t count, const std::string& sentence);

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

}  // namespace peerstage::daemon

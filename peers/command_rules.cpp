#include "peers/command_rules.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "peers/failure.h"
#include "peers/shell_words.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view digits = "0123456789";

bool consists_of(std::string_view text, std::string_view first, std::string_view others) {
  return !text.empty() && first.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(others) == std::string_view::npos;
}

bool is_variable(std::string_view name) {
  const std::string first = std::string(letters) + "_";
  return consists_of(name, first, first + std::string(digits));
}

/// What sudo and shells take for a name and for nothing else.
bool is_user(std::string_view name) {
  const std::string first = std::string(letters) + std::string(digits) + "_";
  return consists_of(name, first, first + ".@-");
}

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

/// Why the command cannot be asked for; empty: it can.
std::string objection(const Command& command) {
  const bool is_line = !command.shell_line.empty();
  if (is_line == !command.argv.empty()) return is_line ? "it has words and a line" : "it has no words";
  const bool wrapped = !command.user.empty() || !command.group.empty() || command.umask ||
                       !command.directory.empty() || !command.environment.empty();
  if (is_line && wrapped)
    return "a line is handed over as it is, without a user, group, umask, directory or environment";
  if (!is_line && command.argv.front().empty()) return "its name is empty";
  if (!is_line && command.argv.front().starts_with('-')) return "its name begins with a dash";
  if (has_nul(command.shell_line) || std::ranges::any_of(command.argv, has_nul)) return "it holds a NUL";
  for (const std::string& name : {command.user, command.group})
    if (!name.empty() && !is_user(name)) return printable(name, 100) + " is no name of a user or group";
  if (command.umask && *command.umask > 0777) return "its umask is larger than 777";
  if (!command.directory.empty() && (!command.directory.starts_with('/') || has_nul(command.directory)))
    return "the directory " + printable(command.directory, 300) + " is not absolute";
  for (const auto& [name, value] : command.environment) {
    if (!is_variable(name)) return printable(name, 100) + " is no name of a variable";
    if (has_nul(value)) return "the variable " + name + " holds a NUL";
  }
  return {};
}

std::string octal(std::uint32_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode);
  return text.data();
}

/// For sh: all that has to be done before the command, and then the command in its place.
std::string script(const Command& command, BecomeWay way) {
  std::string text;
  const bool to_somebody = way == BecomeWay::as_root && !command.user.empty();
  if (to_somebody) {
    const std::string& user = command.user;  // quoted, a tilde would not be his home
    text += "export HOME=~" + user + " USER=" + user + " LOGNAME=" + user + "; ";
  }
  if (command.umask) text += "umask " + octal(*command.umask) + " || exit 126; ";
  if (!command.directory.empty()) text += "cd " + posix_words({command.directory}) + " || exit 126; ";
  for (const auto& [name, value] : command.environment)
    text += "export " + name + "=" + posix_words({value}) + "; ";
  return text.empty() ? text : text + "exec " + posix_words(command.argv);
}

}  // namespace

void judge_command(const Command& command, const std::string& machine) {
  const std::string why = objection(command);
  if (why.empty()) return;
  throw PeerError(FailureKind::permanent,
                  "cannot run " + command_name(command) + " on " + machine + ": " + why);
}

std::string command_name(const Command& command) {
  if (!command.shell_line.empty()) return printable(command.shell_line, 200);
  return command.argv.empty() ? "a command" : printable(command.argv.front(), 200);
}

std::vector<std::string> wrapped_words(const Command& command, BecomeWay way) {
  std::vector<std::string> words;
  if (way == BecomeWay::with_sudo) {
    words = {"sudo", "-n"};
    if (!command.user.empty()) words.insert(words.end(), {"-u", command.user});
    if (!command.group.empty()) words.insert(words.end(), {"-g", command.group});
    words.emplace_back("--");
  }
  if (way == BecomeWay::as_root) {
    words = {"runuser", "-u", command.user.empty() ? "root" : command.user};
    if (!command.group.empty()) words.insert(words.end(), {"-g", command.group});
    words.emplace_back("--");
  }
  const std::string line = script(command, way);
  if (line.empty())
    words.insert(words.end(), command.argv.begin(), command.argv.end());
  else
    words.insert(words.end(), {"sh", "-c", line});
  return words;
}

void judge_sudo(const Command& command, const CommandResult& result, const std::string& machine) {
  // sudo says so on the error output, in the language of the machine, and ends with 1 (sudo(8)).
  if (result.exit_status != 1 || result.output_bytes > 0 || !result.error_output.starts_with("sudo: "))
    return;
  const std::string_view said = result.error_output;
  throw PeerError(FailureKind::permanent,
                  "sudo did not run " + command_name(command) + " on " + machine + " as " +
                      (command.user.empty() ? "a member of " + command.group : command.user) + ": " +
                      printable(said.substr(0, said.find('\n')), 300) +
                      "; it must be allowed there without a password (NOPASSWD in sudoers)");
}

void refuse_user(const Command& command, const std::string& self, const std::string& machine) {
  const std::string whom = command.user.empty() ? "with the group " + command.group : "as " + command.user;
  throw PeerError(FailureKind::permanent,
                  "cannot run " + command_name(command) + " on " + machine + " " + whom + ": there we are " +
                      printable(self, 100) +
                      "; let sudo be used, with <sudo>passwordless</sudo> in <managed> or for the peer");
}

}  // namespace peerstage::peers

#include "daemon/actions/hooks.h"

#include <algorithm>
#include <ranges>

#include "daemon/actions/action_program.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

HooksEnd run_hook(HookTime time, const config::Hook& hook, const ActionContext& context) {
  const std::string action = *hook.action;
  ActionProgram program;
  program.what = std::string("the ") + (time == HookTime::before ? "pre" : "post") +
                 "-action hook for the action " + action + " (" +
                 peers::printable(hook.command.value_or(""), 200) + ")";
  program.words = split_command(hook.command.value_or(""));
  if (program.words.empty()) {
    HooksEnd end{ExitCode::error, program.what + " cannot be run: it names no command"};
    context.log.error(end.failure);
    return end;
  }
  program.words.front() = overridden(program.words.front(), context.config.options.overrides);
  program.variables = run_variables(action, context);
  program.variables["PEERSTAGE_HOOK"] = time == HookTime::before ? "pre" : "post";
  const ProgramEnd end = run_action_program(program, context);
  return {end.code, end.failure};
}

}  // namespace

HooksEnd run_hooks(HookTime time, const std::string& action, const ActionContext& context) {
  const config::Options& options = context.config.options;
  const auto& hooks = time == HookTime::before ? options.pre_action_hooks : options.post_action_hooks;
  for (const config::Hook& hook : hooks) {
    if (hook.action != action) continue;
    if (HooksEnd end = run_hook(time, hook, context); end.code != ExitCode::ok) return end;
  }
  return {};
}

std::vector<std::string> split_command(const std::string& command) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < command.size()) {
    if (command[at] == ' ') {
      ++at;
    } else if (command[at] == '"') {
      const std::size_t closing = command.find('"', at + 1);
      const bool quotes_something = closing != std::string::npos && closing > at + 1;
      if (quotes_something) words.push_back(command.substr(at + 1, closing - at - 1));
      at = quotes_something ? closing + 1 : at + 1;
    } else {
      const std::size_t end = std::min(command.find_first_of(" \"", at), command.size());
      words.push_back(command.substr(at, end - at));
      at = end;
    }
  }
  return words;
}

std::string overridden(const std::string& word, const std::vector<config::Override>& overrides) {
  for (const config::Override& each : std::views::reverse(overrides)) {
    if (each.command == word && each.abs_path) return *each.abs_path;
  }
  return word;
}

}  // namespace peerstage::daemon

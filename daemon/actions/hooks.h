#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/actions/action_result.h"

/// What the configuration has run before and after an action: pre_action_hook and post_action_hook.
namespace peerstage::daemon {

enum class HookTime { before, after };

struct HooksEnd {
  ExitCode code = ExitCode::ok;  ///< or `error`, or `interrupted`
  std::string failure;           ///< one sentence, logged already; empty: all succeeded
};

/// Runs the hooks of an action one after another, in the order of the file, until one fails. Blocks; does not
/// throw.
HooksEnd run_hooks(HookTime time, const std::string& action, const ActionContext& context);

/// The words of a command as Cedar Backup splits it: blanks separate, and so do double quotes, between which
/// a blank does not. There are no empty words and no escapes.
std::vector<std::string> split_command(const std::string& command);

/// Where the first word of a command is found: the last override for exactly this word, else the word.
std::string overridden(const std::string& word, const std::vector<config::Override>& overrides);

}  // namespace peerstage::daemon

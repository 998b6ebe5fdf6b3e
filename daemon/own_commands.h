#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/arguments.h"
#include "daemon/command_line.h"

namespace peerstage::daemon {

/// A command of our own, a word that is no action of Cedar Backup: what it is called, what may be said with
/// it, and how it is understood.
struct OwnCommand {
  const char* name;
  const char* usage;
  std::vector<std::string_view> switches;
  CommandLine (*understand)(const Arguments&);
};

/// Null for a word that is none.
const OwnCommand* find_own_command(const std::string& word);

/// What was asked of a command of our own. UsageError for what has no meaning with it.
CommandLine understand_own(const OwnCommand& command, const Arguments& arguments);

}  // namespace peerstage::daemon

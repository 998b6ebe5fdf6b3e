#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "daemon/command_line.h"

/// What the words of a command line come to, and in which order: Cedar Backup's rules, to the letter. Whether
/// this program can do what comes out is not judged here, see action_plan.h.
namespace peerstage::daemon {

/// Actions that cannot be asked for, or that cannot be brought into an order. The message is one sentence.
class ActionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where one action is done: on this machine, or on the managed peers that list it.
enum class ActionPlace { here, peers };

struct ActionItem {
  std::string name;
  ActionPlace place = ActionPlace::here;
  /// Null: built in. Points into the extensions that the order was made of. One with the name of a built-in
  /// action takes its place.
  const config::ExtensionAction* extension = nullptr;
  bool operator==(const ActionItem&) const = default;
};

/// Is it an action of this program, done on this machine?
bool is_builtin_here(const ActionItem& item, std::string_view name);

/// The items in the order in which they are done. `all` becomes collect, stage, store and purge. ActionError
/// for a word that is no action, for words that exclude each other, and in the dependency mode, whatever the
/// words are, for dependencies in a circle or on something unknown. `extensions` may be null.
std::vector<ActionItem> order_actions(const std::vector<std::string>& words,
                                      const config::Extensions* extensions, Managed managed);

}  // namespace peerstage::daemon

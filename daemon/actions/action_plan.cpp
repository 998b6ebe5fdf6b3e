#include "daemon/actions/action_plan.h"

#include <algorithm>
#include <string_view>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

bool is_all(const std::vector<std::string>& words) {
  return words == std::vector<std::string>{"all"};
}

void refuse_what_cedar_does(const ActionItem& item, const std::vector<std::string>& words) {
  for (const char* name : {"store", "rebuild", "initialize"}) {
    if (!is_builtin_here(item, name)) continue;
    if (is_all(words)) {
      throw ActionError(
          "the action all includes store, because the configuration has a store section, and this "
          "program does not write media: run the actions collect, stage and purge here, and "
          "'cback3 store' between stage and purge");
    }
    throw ActionError("the action " + item.name +
                      " is not done by this program, which does not write media: run "
                      "'cback3 " +
                      item.name + "' with the same configuration");
  }
}

void refuse_python(const ActionItem& item) {
  if (item.place == ActionPlace::peers || item.extension == nullptr || item.extension->command) return;
  throw ActionError("the action " + item.name + " is an extension of Cedar Backup (the Python function " +
                    peers::printable(item.extension->module + "." + item.extension->function, 200) +
                    "), which this program cannot run: run 'cback3 " + item.name +
                    "', or name a program in its element command");
}

}  // namespace

std::vector<ActionItem> plan_actions(const std::vector<std::string>& words, const config::Config& config,
                                     Managed managed) {
  std::vector<ActionItem> items =
      order_actions(words, config.extensions ? &*config.extensions : nullptr, managed);
  if (is_all(words) && !config.store)
    std::erase_if(items, [](const ActionItem& item) { return is_builtin_here(item, "store"); });
  for (const ActionItem& item : items) {
    refuse_what_cedar_does(item, words);
    refuse_python(item);
  }
  return items;
}

std::string missing_section(const std::vector<ActionItem>& items, const config::Config& config) {
  const auto needed = [&items](std::string_view name) {
    return std::ranges::any_of(items, [name](const ActionItem& item) { return is_builtin_here(item, name); });
  };
  const auto sentence = [&config](const std::string& name) {
    return "cannot " + name + ": " + peers::printable(config.file) + " has no " + name + " section";
  };
  if (needed("collect") && !config.collect) return sentence("collect");
  if (needed("stage") && !config.stage) return sentence("stage");
  if (needed("purge") && !config.purge) return sentence("purge");
  return {};
}

}  // namespace peerstage::daemon

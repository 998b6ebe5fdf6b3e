#include "daemon/actions/action_order.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "daemon/actions/dependency_order.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using Indices = std::map<std::string, std::int64_t>;

struct Builtin {
  std::string_view name;
  std::int64_t index;  ///< in the mode `index`
};

// As they become vertices in the mode `dependency`.
constexpr std::array<Builtin, 7> builtins{{{"rebuild", 0},
                                           {"validate", 0},
                                           {"initialize", 0},
                                           {"collect", 100},
                                           {"stage", 200},
                                           {"store", 300},
                                           {"purge", 400}}};

constexpr std::array<std::string_view, 4> combined_in_all{"collect", "stage", "store", "purge"};
constexpr std::array<std::string_view, 4> loners{"rebuild", "validate", "initialize", "all"};

bool is_builtin(const std::string& word) {
  return word == "all" || std::ranges::find(builtins, word, &Builtin::name) != builtins.end();
}

const config::ExtensionAction* find_extension(const config::Extensions* extensions, const std::string& name) {
  if (extensions == nullptr) return nullptr;
  const auto found = std::ranges::find(extensions->actions, name, &config::ExtensionAction::name);
  return found == extensions->actions.end() ? nullptr : &*found;
}

std::string what_there_is(const config::Extensions* extensions) {
  std::string text = "there are collect, stage, purge, validate and all";
  std::string names;
  if (extensions != nullptr) {
    for (const auto& extension : extensions->actions) names += (names.empty() ? "" : ", ") + extension.name;
  }
  if (!names.empty()) text += ", and the extensions " + names;
  return text + "; store, rebuild and initialize are done by cback3";
}

void check_words(const std::vector<std::string>& words, const config::Extensions* extensions) {
  for (const std::string& word : words) {
    if (is_builtin(word) || find_extension(extensions, word) != nullptr) continue;
    throw ActionError("the action " + peers::printable(word, 100) +
                      " is unknown: " + what_there_is(extensions));
  }
  for (const std::string_view loner : loners) {
    if (words.size() > 1 && std::ranges::find(words, loner) != words.end()) {
      throw ActionError("the action " + std::string(loner) +
                        " cannot be combined with other actions, nor be "
                        "given twice: run it alone");
    }
  }
}

Indices fixed_indices(const config::Extensions* extensions) {
  Indices indices;
  for (const Builtin& builtin : builtins) indices.emplace(builtin.name, builtin.index);
  if (extensions == nullptr) return indices;
  for (const auto& extension : extensions->actions) indices[extension.name] = extension.index.value_or(0);
  return indices;
}

void expect_known(const DependencyOrder& order, const config::ExtensionAction& extension,
                  const std::string& name, const char* element) {
  if (order.has(name)) return;
  throw ActionError("the actions cannot be ordered: " + std::string(element) + " of the extension " +
                    extension.name + " names " + name + ", which is neither built in nor an extension");
}

void add_dependencies(DependencyOrder& order, const config::ExtensionAction& extension) {
  if (!extension.depends) return;
  for (const std::string& later : extension.depends->run_before) {
    expect_known(order, extension, later, "run_before");
    order.add_edge(extension.name, later);
  }
  for (const std::string& earlier : extension.depends->run_after) {
    expect_known(order, extension, earlier, "run_after");
    order.add_edge(earlier, extension.name);
  }
}

Indices indices_by_dependency(const config::Extensions& extensions) {
  DependencyOrder order;
  for (const Builtin& builtin : builtins) order.add(std::string(builtin.name));
  for (const auto& extension : extensions.actions) order.add(extension.name);
  for (auto first = combined_in_all.begin(); first != combined_in_all.end(); ++first)
    for (auto second = first + 1; second != combined_in_all.end(); ++second)
      order.add_edge(std::string(*first), std::string(*second));
  for (const auto& extension : extensions.actions) add_dependencies(order, extension);

  Indices indices;
  for (const std::string& name : order.sorted())
    indices.emplace(name, static_cast<std::int64_t>(indices.size()) + 1);
  return indices;
}

Indices indices_of(const config::Extensions* extensions) {
  const bool by_dependency = extensions != nullptr && !extensions->actions.empty() &&
                             extensions->order_mode == config::OrderMode::dependency;
  return by_dependency ? indices_by_dependency(*extensions) : fixed_indices(extensions);
}

std::vector<std::string> expanded(const std::vector<std::string>& words) {
  if (words != std::vector<std::string>{"all"}) return words;
  return {combined_in_all.begin(), combined_in_all.end()};
}

}  // namespace

bool is_builtin_here(const ActionItem& item, std::string_view name) {
  return item.place == ActionPlace::here && item.extension == nullptr && item.name == name;
}

std::vector<ActionItem> order_actions(const std::vector<std::string>& words,
                                      const config::Extensions* extensions, Managed managed) {
  check_words(words, extensions);
  const Indices indices = indices_of(extensions);
  std::vector<ActionItem> items;
  for (const std::string& name : expanded(words)) {
    const auto* extension = find_extension(extensions, name);
    if (managed != Managed::only) items.push_back({name, ActionPlace::here, extension});
    if (managed != Managed::local) items.push_back({name, ActionPlace::peers, extension});
  }
  std::ranges::stable_sort(
      items, {}, [&indices](const ActionItem& item) { return std::pair(indices.at(item.name), item.place); });
  return items;
}

}  // namespace peerstage::daemon

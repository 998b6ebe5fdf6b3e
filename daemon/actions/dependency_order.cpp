#include "daemon/actions/dependency_order.h"

#include <algorithm>

#include "daemon/actions/action_order.h"

namespace peerstage::daemon {

void DependencyOrder::add(const std::string& name) {
  if (!numbers_.emplace(name, names_.size()).second) return;
  names_.push_back(name);
  edges_.emplace_back();
}

void DependencyOrder::add_edge(const std::string& before, const std::string& after) {
  edges_[numbers_.at(before)].push_back(numbers_.at(after));
}

std::vector<std::string> DependencyOrder::sorted() const {
  std::vector<Visit> visits(names_.size(), Visit::not_yet);
  std::deque<std::string> order;
  for (std::size_t first = 0; first < names_.size(); ++first) {
    if (visits[first] == Visit::not_yet) search_from(first, visits, order);
  }
  return {order.begin(), order.end()};
}

/// Without recursion: a chain of dependencies may be as long as a configuration is.
void DependencyOrder::search_from(std::size_t first, std::vector<Visit>& visits,
                                  std::deque<std::string>& order) const {
  std::vector<Branch> path{{first, 0}};
  visits[first] = Visit::under_way;
  while (!path.empty()) {
    auto& [name, followed] = path.back();
    if (followed == edges_[name].size()) {
      visits[name] = Visit::done;
      order.push_front(names_[name]);
      path.pop_back();
      continue;
    }
    const std::size_t next = edges_[name][followed++];
    if (visits[next] == Visit::under_way) refuse_circle(path, next);
    if (visits[next] == Visit::done) continue;
    visits[next] = Visit::under_way;
    path.emplace_back(next, 0);
  }
}

void DependencyOrder::refuse_circle(const std::vector<Branch>& path, std::size_t back_to) const {
  std::string circle;
  auto at = std::ranges::find(path, back_to, &Branch::first);
  for (; at != path.end(); ++at) circle += names_[at->first] + " before ";
  throw ActionError("the actions cannot be ordered, their dependencies form a circle: " + circle +
                    names_[back_to] + "; correct run_before and run_after in extensions/action");
}

}  // namespace peerstage::daemon

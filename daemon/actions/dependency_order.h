#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace peerstage::daemon {

/// Names, some of which have to come before others, put into one of the orders that this leaves open: the one
/// that Cedar Backup puts them into.
class DependencyOrder {
 public:
  /// Nothing happens if it is there already.
  void add(const std::string& name);
  bool has(const std::string& name) const { return numbers_.contains(name); }
  /// Both names must have been added.
  void add_edge(const std::string& before, const std::string& after);
  /// Every name once. It is the order in which a depth-first search leaves them, turned round; it visits
  /// names as they were added, and from each first where its first edge leads. ActionError for a circle.
  std::vector<std::string> sorted() const;

 private:
  enum class Visit { not_yet, under_way, done };
  using Branch = std::pair<std::size_t, std::size_t>;  ///< a name, and how many of its edges were followed

  void search_from(std::size_t first, std::vector<Visit>& visits, std::deque<std::string>& order) const;
  [[noreturn]] void refuse_circle(const std::vector<Branch>& path, std::size_t back_to) const;

  std::vector<std::string> names_;
  std::vector<std::vector<std::size_t>> edges_;
  std::map<std::string, std::size_t> numbers_;
};

}  // namespace peerstage::daemon

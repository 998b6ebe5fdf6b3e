#include "peers/collect/exclusions.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <unordered_set>
#include <vector>

#include "config/python_pattern.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

struct Exclusion {
  std::unordered_set<std::string> paths;
  std::vector<config::ExclusionPattern> patterns;

  bool operator()(const std::string& path) const {
    return paths.contains(path) ||
           std::ranges::any_of(
               patterns, [&path](const config::ExclusionPattern& pattern) { return pattern.excludes(path); });
  }
};

}  // namespace

std::function<bool(const std::string&)> exclusion_rule(const config::CollectItem& item) {
  const auto exclusion = std::make_shared<Exclusion>();
  exclusion->paths.insert(item.excluded_paths.begin(), item.excluded_paths.end());
  for (const std::string& pattern : item.excluded_patterns) {
    try {
      exclusion->patterns.emplace_back(pattern);
    } catch (const std::invalid_argument& error) {
      throw PeerError(FailureKind::permanent, "cannot collect " + printable(item.path) +
                                                  ": the exclusion pattern \"" + printable(pattern) +
                                                  "\" cannot be used: " + error.what());
    }
  }
  return [exclusion](const std::string& path) { return (*exclusion)(path); };
}

}  // namespace peerstage::peers::collect

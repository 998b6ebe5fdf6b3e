#include "daemon/control/query.h"

#include "peers/text.h"

namespace peerstage::daemon {
std::vector<std::string> Query::all(std::string_view name) {
  std::vector<std::string> values;
  for (const auto& part : parts_)
    if (part.first == name) values.push_back(part.second);
  std::erase_if(parts_, [name](const auto& part) { return part.first == name; });
  return values;
}

std::optional<std::string> Query::one(std::string_view name) {
  const auto values = all(name);
  if (values.size() > 1) throw BadQuery("'" + std::string(name) + "' may be given once");
  return values.empty() ? std::nullopt : std::optional(values.front());
}

void Query::expect_nothing_else() const {
  if (!parts_.empty())
    throw BadQuery("nobody knows '" + peers::printable(parts_.front().first, 60) + "' in this query");
}

}  // namespace peerstage::daemon

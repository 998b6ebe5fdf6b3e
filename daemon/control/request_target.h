#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerstage::daemon {

/// What stands behind the method of a request: `/v1/runs?peer=web1&limit=5`, taken apart and decoded.
struct RequestTarget {
  std::vector<std::string> path;                           ///< the segments; of "/" none
  std::vector<std::pair<std::string, std::string>> query;  ///< in their order, names may repeat
};

/// Absent when it is none: no leading slash, an escape that is none, a control character, an empty segment.
/// `%2F` in a segment is part of a name and no separator. `+` stands for itself.
std::optional<RequestTarget> parse_request_target(std::string_view target);

/// A name in a path or a query, escaped so that it stands for itself.
std::string percent_encoded(std::string_view text);

}  // namespace peerstage::daemon

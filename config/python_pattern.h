#pragma once

#include <optional>
#include <string>

namespace peerstage::config {

/// Why Python's `re` does not compile a pattern, in a few words; nothing if it does (Python 3.11, which
/// Debian 12 has). The pattern is valid UTF-8.
std::optional<std::string> python_pattern_fault(const std::string& pattern);

}  // namespace peerstage::config

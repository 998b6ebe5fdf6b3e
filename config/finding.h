#pragma once

#include <string>
#include <vector>

namespace peerstage::config {

enum class Severity { warning, error };

/// One thing that is wrong with a configuration, with its place.
struct Finding {
  Severity severity = Severity::error;
  std::string file;
  int line = 0;         ///< 1-based; 0 when the finding is about the whole file
  std::string element;  ///< path from the root, e.g. "stage/peer[2]/name"; empty for the whole file
  std::string message;  ///< one sentence, without file, line and element

  /// `FILE:LINE: element: message`, the parts that are absent left out.
  std::string text() const;
};

bool has_errors(const std::vector<Finding>& findings);

}  // namespace peerstage::config

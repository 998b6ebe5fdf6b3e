#include "config/finding.h"

#include <algorithm>

namespace peerstage::config {

std::string Finding::text() const {
  std::string text = file;
  if (line > 0) text += ":" + std::to_string(line);
  if (!text.empty()) text += ": ";
  if (!element.empty()) text += element + ": ";
  return text + message;
}

bool has_errors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::error; });
}

}  // namespace peerstage::config

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/finding.h"

namespace peerstage::config {

/// The findings about one file, in the order in which they are made.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}

  void add(Severity severity, int line, const std::string& element, const std::string& message) {
    findings_.push_back({severity, file_, line, element, message});
  }
  void error(int line, const std::string& element, const std::string& message) {
    add(Severity::error, line, element, message);
  }
  void warning(int line, const std::string& element, const std::string& message) {
    add(Severity::warning, line, element, message);
  }

  const std::vector<Finding>& findings() const { return findings_; }

 private:
  std::string file_;
  std::vector<Finding> findings_;
};

}  // namespace peerstage::config

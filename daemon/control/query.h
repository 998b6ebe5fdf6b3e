#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/control/request_target.h"

namespace peerstage::daemon {

/// The query is not what is asked for there; the message is one printable sentence.
class BadQuery : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The query of a request, of which every part has to be taken, and each but once.
class Query {
 public:
  explicit Query(std::vector<std::pair<std::string, std::string>> parts) : parts_(std::move(parts)) {}

  /// All values of that name.
  std::vector<std::string> all(std::string_view name);
  /// The only one. Throws BadQuery when there are more.
  std::optional<std::string> one(std::string_view name);
  /// Throws BadQuery when something is left that nobody took.
  void expect_nothing_else() const;

 private:
  std::vector<std::pair<std::string, std::string>> parts_;
};

}  // namespace peerstage::daemon

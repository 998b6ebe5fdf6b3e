#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// What may stand in the body of a request. Pure functions of bytes that anybody may have sent.
namespace peerstage::daemon {

/// The body is refused; the message is one printable sentence.
class BadBody : public std::runtime_error {
 public:
  enum class Kind {
    not_json,  ///< no JSON, or nested deeper than anything that is meant
    not_meant  ///< JSON, but not what is asked for here
  };
  BadBody(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// The body of `POST /v1/runs`: either a job, or peers.
struct RunRequest {
  std::string job;
  std::vector<std::string> peers;
  bool full = false;
  bool operator==(const RunRequest&) const = default;
};

/// {"job": "nightly"}, or {"peers": ["web1"], "full": false}. Members that are not known, that come twice, or
/// that do not go together are refused. Throws BadBody.
RunRequest parse_wanted_run(std::string_view body);

/// Of requests that say everything by their path: nothing, or {}. Throws BadBody.
void expect_no_wishes(std::string_view body);

}  // namespace peerstage::daemon

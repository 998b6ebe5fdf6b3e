#pragma once

#include <stdexcept>
#include <string>

namespace peerstage::peers {

/// What the caller can do about a failure.
enum class FailureKind {
  not_ready,  ///< the peer has not finished collecting: look again later
  transient,  ///< the line or the machine: try again
  permanent,  ///< trying again changes nothing before somebody acts
  hostile,    ///< the peer broke a rule that no honest peer breaks
  cancelled   ///< we were told to stop
};

const char* to_string(FailureKind kind);

/// A failure as a value, at the edge of this layer. The message is one sentence: what was tried, on which
/// thing, where, why, and what to do if the user can do something. Everything in it is printable (see
/// text.h).
struct Failure {
  FailureKind kind = FailureKind::permanent;
  std::string message;
};

/// A failure on its way up inside this layer.
class PeerError : public std::runtime_error {
 public:
  PeerError(FailureKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  FailureKind kind() const { return kind_; }
  Failure failure() const { return {kind_, what()}; }

 private:
  FailureKind kind_;
};

/// "tried: strerror(error_number)"; the kind is permanent unless the error is one that passes by itself.
PeerError system_error(const std::string& tried, int error_number);

}  // namespace peerstage::peers

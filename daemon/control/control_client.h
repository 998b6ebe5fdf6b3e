#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace peerstage::daemon {

/// The daemon could not be asked; the message is one printable sentence.
class ControlError : public std::runtime_error {
 public:
  enum class Kind {
    not_running,    ///< there is no socket, or nobody listens at it
    no_permission,  ///< it is not for us
    no_answer,      ///< not in time, or the line broke
    not_understood  ///< what answers is no daemon of ours
  };
  ControlError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// The caller was told to stop before the answer was there.
class ControlInterrupted : public std::runtime_error {
 public:
  ControlInterrupted() : std::runtime_error("interrupted") {}
};

struct ControlAnswer {
  unsigned status = 0;
  std::string body;
  bool good() const { return status >= 200 && status < 300; }
};

/// Asks the daemon at its control socket, one connection a question. A call blocks until the answer is there,
/// or for `patience` at most; what is longer than 64 MiB is no answer.
class ControlClient {
 public:
  /// When `interruption` becomes readable, a call ends with ControlInterrupted.
  explicit ControlClient(std::string socket, std::optional<int> interruption = {},
                         std::chrono::milliseconds patience = std::chrono::seconds(15));

  /// Whatever the status; throw ControlError.
  ControlAnswer get(const std::string& target) const;
  ControlAnswer post(const std::string& target, const std::string& body = "") const;

 private:
  std::string socket_;
  std::optional<int> interruption_;
  std::chrono::milliseconds patience_;
};

/// What a refused request says of the reason, printable; whatever else was sent in its place.
std::string error_of(const ControlAnswer& answer);

}  // namespace peerstage::daemon

#pragma once

#include <chrono>
#include <cstddef>

namespace peerstage::daemon {

/// What clients of the control socket get of the daemon's memory and time, at most. docs/control-api.md names
/// these.
struct ControlLimits {
  std::size_t header_bytes = std::size_t{8} * 1024;  ///< the request line included
  std::size_t body_bytes = std::size_t{64} * 1024;
  std::size_t clients = 64;              ///< at once
  std::size_t readers = 48;              ///< of these, such as may only look: the others always get in
  std::size_t of_one_reader = 16;        ///< of one user among these
  std::size_t requests_a_client = 1000;  ///< on one connection

  /// From the connection, or the answer before it, until a request is whole.
  std::chrono::milliseconds request_deadline{10'000};
  /// Until an answer is taken.
  std::chrono::milliseconds answer_deadline{10'000};
  /// A client that has been silent for so long between two requests makes room for another when there is
  /// none.
  std::chrono::milliseconds idle_grace{1000};
  /// With no descriptors left, accepting is tried again after this.
  std::chrono::milliseconds accept_pause{250};

  /// Answers that were built and not taken yet. Beyond this nobody gets another long one, and those who may
  /// only look not beyond three quarters of it.
  std::size_t pending_bytes = std::size_t{32} * 1024 * 1024;
};

}  // namespace peerstage::daemon

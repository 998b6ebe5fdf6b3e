#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace peerstage::peers::sftp {

/// How much may be on its way at once.
struct Pace {
  std::size_t bytes = 0;         ///< of file content: asked for and not yet delivered
  std::size_t files = 0;         ///< open, or about to be
  std::size_t listings = 0;      ///< READDIRs and LSTATs
  std::size_t receive_size = 0;  ///< see Transport::receive
  bool operator==(const Pace&) const = default;
};

/// Learns what a line is like from what goes over it, and says which pace fills it: small on a short line,
/// where the data shall stay in the processor's cache, and on a long one twice what it brings in a round
/// trip, so that it grows until the line, not the pace, is what limits. More would wait in the server's
/// memory, at the cost of its processor. Never more than fills the line at a gigabyte a second, nor than a
/// worker may use of memory.
class LineGauge {
 public:
  using Clock = std::chrono::steady_clock;

  LineGauge() { set_pace(); }

  /// An answer came after so long. The shortest wait ever seen is the line; everything above it is queueing.
  void answered_after(Clock::duration waited);
  /// By `now`, so many bytes came in all, and more are on their way.
  void received(std::uint64_t bytes, Clock::time_point now);
  /// Nothing is on its way: the rate is measured anew from what comes next.
  void rest() { measuring_ = false; }

  const Pace& pace() const { return pace_; }

 private:
  void set_pace();

  Clock::duration round_trip_ = Clock::duration::max();
  bool measuring_ = false;
  Clock::time_point since_;
  std::uint64_t bytes_then_ = 0;
  std::uint64_t rate_ = 0;  ///< bytes a second
  Pace pace_;
};

}  // namespace peerstage::peers::sftp

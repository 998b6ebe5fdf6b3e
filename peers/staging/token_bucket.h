#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "config/units.h"

namespace peerstage::peers::staging {

/// How long to wait so that a rate is kept. What was not used is saved up for a tenth of a second, no more.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Bytes a second; 0: no limit.
  explicit TokenBucket(config::ByteCount rate) : rate_(rate.bytes) {}

  /// Takes note of so many bytes and returns how long to wait after them.
  std::chrono::nanoseconds take(std::uint64_t bytes, Time now) {
    if (rate_ == 0) return std::chrono::nanoseconds(0);
    const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(rate_));
    paid_until_ = std::max(paid_until_, now - std::chrono::milliseconds(100)) +
                  std::chrono::duration_cast<std::chrono::nanoseconds>(cost);
    return std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(paid_until_ - now));
  }

 private:
  std::uint64_t rate_;
  Time paid_until_{};
};

}  // namespace peerstage::peers::staging

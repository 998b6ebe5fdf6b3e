#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "peers/staging/token_bucket.h"

namespace peerstage::peers::staging {

/// Bytes a second, 0 or absent: no limit. Whoever holds the other end may change it at any time.
using BandwidthLimit = std::shared_ptr<const std::atomic<std::uint64_t>>;

/// Keeps what is fetched within a limit.
class Throttle {
 public:
  explicit Throttle(BandwidthLimit limit) : limit_(std::move(limit)) {}

  void take(std::uint64_t bytes) { bucket_.take(bytes, limit(), std::chrono::steady_clock::now()); }
  /// How long to wait for what was taken, as things stand: whoever waits asks again now and then.
  std::chrono::nanoseconds wait() { return bucket_.wait(limit(), std::chrono::steady_clock::now()); }

 private:
  std::uint64_t limit() const { return limit_ ? limit_->load(std::memory_order_relaxed) : 0; }

  BandwidthLimit limit_;
  TokenBucket bucket_;
};

}  // namespace peerstage::peers::staging

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace peerstage::peers::staging {

/// How long to wait so that a rate is kept, which may change at any time. What was not used is saved up for a
/// tenth of a second, no more.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Takes note of so many bytes; `rate` in bytes a second, 0: no limit.
  void take(std::uint64_t bytes, std::uint64_t rate, Time now) {
    pay(rate, now);
    debt_ += static_cast<double>(bytes);
  }

  /// How long to wait after what was taken, at this rate.
  std::chrono::nanoseconds wait(std::uint64_t rate, Time now) {
    pay(rate, now);
    if (rate == 0 || debt_ <= 0) return std::chrono::nanoseconds(0);
    const std::chrono::duration<double> time(debt_ / static_cast<double>(rate));
    return std::chrono::ceil<std::chrono::nanoseconds>(std::min(time, longest));
  }

 private:
  static constexpr std::chrono::duration<double> saved{0.1};
  static constexpr std::chrono::duration<double> longest{1e6};

  void pay(std::uint64_t rate, Time now) {
    const std::chrono::duration<double> passed = now - paid_at_;
    paid_at_ = now;
    const auto bytes_a_second = static_cast<double>(rate);
    debt_ =
        rate == 0 ? 0 : std::max(debt_ - bytes_a_second * passed.count(), -bytes_a_second * saved.count());
  }

  double debt_ = 0;  ///< bytes
  Time paid_at_{};
};

}  // namespace peerstage::peers::staging

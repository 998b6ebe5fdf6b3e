#pragma once

#include <chrono>

namespace peerstage::peers {

/// Time that only goes forward, for measuring; tests have one of their own.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::steady_clock::time_point steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace peerstage::peers

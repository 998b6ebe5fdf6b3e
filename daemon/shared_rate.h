#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "config/units.h"

namespace peerstage::daemon {

/// How much one worker may fetch in a second, told to it while it works: a page of memory that it has in
/// common with the supervisor, and with no other worker.
class SharedRate {
 public:
  /// Made before the fork. Throws std::system_error.
  explicit SharedRate(config::ByteCount rate);

  /// After the fork, in the supervisor: no worker to come inherits the page.
  void keep_to_this_worker();
  void set(config::ByteCount rate) { page_->store(rate.bytes, std::memory_order_relaxed); }
  /// In the worker: from here on it can only read the page, which is why `keep_only` leaves it there. A
  /// kernel that refuses that ends the process: there is nobody here to throw to.
  std::shared_ptr<const std::atomic<std::uint64_t>> reading_side() const noexcept;

 private:
  using Page = std::atomic<std::uint64_t>;
  // A lock would be in the memory of one process only.
  static_assert(Page::is_always_lock_free);
  std::shared_ptr<Page> page_;
};

}  // namespace peerstage::daemon
